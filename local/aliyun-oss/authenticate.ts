// Whose request it is and what its path means: signature, age, expiry and security token, in header and URL form.
import { timingSafeEqual } from "node:crypto";
import { ServiceError } from "../gateway/service.ts";
import type { AccessKey, AccessKeys } from "./access-keys.ts";
import { invalidArgument } from "./oss-error.ts";
import { type Place, type SignedRequest, signatureV1, stringToSignV1 } from "./signature-v1.ts";
import { algorithmV4, signatureV4, stringToSignV4 } from "./signature-v4.ts";

/** One way of reading a signature, whatever its version. */
export interface Claim {
  readonly accessKeyId: string;
  readonly signature: Buffer;
  readonly securityToken: string | undefined;
  /** Milliseconds since 1970: when it was signed (header form), or undefined in a URL. */
  readonly signedAt: number | undefined;
  /** URL form. */
  readonly expiresAt: number | undefined;
  /** V4: whose region it was signed for. */
  readonly region: string | undefined;
  stringToSign(place: Place): string;
  sign(text: string, secret: string): Buffer;
}

export interface Authenticated {
  readonly accessKey: AccessKey;
  readonly place: Place;
}

const largestSkewMilliseconds = 15 * 60_000;
/** V4 URLs live seven days at most. */
const longestUrlSeconds = 604_800;

/**
 * `places` are the meanings that the path may have, the likeliest first; the signature covers bucket and key, so only
 * one of them can verify. Throws OSS's own error, 400 or 403.
 */
export function authenticate(
  claim: Claim,
  places: readonly Place[],
  keys: AccessKeys,
  now: number,
  region: string | undefined,
): Authenticated {
  const accessKey = keys.find(claim.accessKeyId);
  if (!accessKey) throw unknownKey(claim.accessKeyId);
  checkToken(claim, accessKey, keys, now);
  if (region !== undefined && claim.region !== undefined && claim.region !== region) {
    throw new ServiceError(400, "InvalidArgument", "Invalid signing region in Authorization header.");
  }
  if (claim.signedAt !== undefined && Math.abs(now - claim.signedAt) > largestSkewMilliseconds) {
    throw new ServiceError(
      403,
      "RequestTimeTooSkewed",
      "The difference between the request time and the current time is too large.",
      {
        MaxAllowedSkewMilliseconds: String(largestSkewMilliseconds),
        RequestTime: new Date(claim.signedAt).toISOString(),
        ServerTime: new Date(now).toISOString(),
      },
    );
  }
  if (claim.expiresAt !== undefined && now >= claim.expiresAt) {
    throw new ServiceError(403, "AccessDenied", "Request has expired.", {
      Expires: new Date(claim.expiresAt).toISOString(),
      ServerTime: new Date(now).toISOString(),
    });
  }
  const place = places.find((candidate) => verifies(claim, candidate, accessKey.accessKeySecret));
  if (place) return { accessKey, place };
  throw new ServiceError(
    403,
    "SignatureDoesNotMatch",
    "The request signature we calculated does not match the signature you provided. Check your key and signing method.",
    {
      OSSAccessKeyId: claim.accessKeyId,
      StringToSign: claim.stringToSign(places[0] ?? { bucket: "", key: "" }),
    },
  );
}

function verifies(claim: Claim, place: Place, secret: string): boolean {
  const expected = claim.sign(claim.stringToSign(place), secret);
  return claim.signature.length === expected.length && timingSafeEqual(claim.signature, expected);
}

function checkToken(claim: Claim, accessKey: AccessKey, keys: AccessKeys, now: number): void {
  const { securityToken } = claim;
  if (accessKey.securityToken === undefined) {
    // A lasting pair with a token is taken for one of STS's, and STS does not know it.
    if (securityToken !== undefined) throw unknownKey(claim.accessKeyId);
    return;
  }
  if (securityToken === undefined) throw unknownKey(claim.accessKeyId);
  if (securityToken !== accessKey.securityToken) {
    throw keys.isToken(securityToken)
      ? new ServiceError(
          403,
          "AccessKeyIdAndSecurityTokenNotMatch",
          "The OSS access key id and security token you provided does not match.",
        )
      : new ServiceError(403, "InvalidSecurityToken", "The security token you provided is invalid.");
  }
  if (accessKey.expiresAt !== undefined && now >= accessKey.expiresAt) {
    throw new ServiceError(403, "SecurityTokenExpired", "The security token you provided has expired.");
  }
}

export function unknownKey(accessKeyId: string): ServiceError {
  return new ServiceError(
    403,
    "InvalidAccessKeyId",
    "The OSS Access Key Id you provided does not exist in our records.",
    { OSSAccessKeyId: accessKeyId },
  );
}

/** Reads who claims to have signed. Throws 400 or 403 for what is no signature of OSS's. */
export function readClaim(request: SignedRequest): Claim {
  const { headers, query } = request;
  if (headers.authorization !== undefined) {
    if (headers.authorization.startsWith(`${algorithmV4} `)) return headerV4(request, headers.authorization);
    if (headers.authorization.startsWith("OSS ")) return headerV1(request, headers.authorization);
    throw invalidAuthorization(headers.authorization);
  }
  if (query.has("x-oss-signature")) return urlV4(request);
  if (query.has("Signature") || query.has("OSSAccessKeyId")) return urlV1(request);
  throw new ServiceError(403, "AccessDenied", "You have no right to access this object because of bucket acl.");
}

function headerV1(request: SignedRequest, authorization: string): Claim {
  const [, accessKeyId, signature] = /^OSS ([^:\s]+):([A-Za-z0-9+/]+=*)$/.exec(authorization) ?? [];
  if (accessKeyId === undefined || signature === undefined) throw invalidAuthorization(authorization);
  const date = request.headers["x-oss-date"] ?? request.headers.date ?? "";
  const signedAt = Date.parse(date);
  if (Number.isNaN(signedAt)) throw invalidDate();
  return {
    accessKeyId,
    signature: Buffer.from(signature, "base64"),
    securityToken: request.headers["x-oss-security-token"],
    signedAt,
    expiresAt: undefined,
    region: undefined,
    stringToSign: (place) => stringToSignV1(request, place, date),
    sign: signatureV1,
  };
}

function urlV1(request: SignedRequest): Claim {
  const { query } = request;
  const [accessKeyId, expires, signature] = ["OSSAccessKeyId", "Expires", "Signature"].map((name) => query.get(name));
  if (!accessKeyId || !expires || !signature || !/^\d{1,12}$/.test(expires)) {
    throw new ServiceError(
      403,
      "AccessDenied",
      "Query-string authentication requires the Signature, Expires and OSSAccessKeyId parameters.",
    );
  }
  return {
    accessKeyId,
    signature: Buffer.from(signature, "base64"),
    securityToken: query.get("security-token") ?? request.headers["x-oss-security-token"],
    signedAt: undefined,
    expiresAt: Number(expires) * 1000,
    region: undefined,
    stringToSign: (place) => stringToSignV1(request, place, expires),
    sign: signatureV1,
  };
}

function headerV4(request: SignedRequest, authorization: string): Claim {
  const form = /^OSS4-HMAC-SHA256 Credential=([^,]+),\s*(?:AdditionalHeaders=([^,]+),\s*)?Signature=([0-9a-f]{64})$/;
  const [, credential, additional = "", signature] = form.exec(authorization) ?? [];
  if (credential === undefined || signature === undefined) throw invalidAuthorization(authorization);
  const payload = request.headers["x-oss-content-sha256"];
  if (payload !== "UNSIGNED-PAYLOAD") {
    throw invalidArgument("x-oss-content-sha256", payload ?? "", "x-oss-content-sha256 must be UNSIGNED-PAYLOAD.");
  }
  const timestamp = request.headers["x-oss-date"] ?? "";
  const securityToken = request.headers["x-oss-security-token"];
  return claimV4(request, { credential, additional, signature, timestamp, securityToken });
}

function urlV4(request: SignedRequest): Claim {
  const { query } = request;
  const expiresSeconds = Number(query.get("x-oss-expires") ?? Number.NaN);
  if (query.get("x-oss-signature-version") !== algorithmV4) {
    throw invalidArgument("x-oss-signature-version", query.get("x-oss-signature-version") ?? "", "Unknown version.");
  }
  if (!(Number.isInteger(expiresSeconds) && expiresSeconds >= 1 && expiresSeconds <= longestUrlSeconds)) {
    throw invalidArgument(
      "x-oss-expires",
      query.get("x-oss-expires") ?? "",
      `x-oss-expires must be from 1 to ${longestUrlSeconds}.`,
    );
  }
  const claim = claimV4(request, {
    credential: query.get("x-oss-credential") ?? "",
    additional: query.get("x-oss-additional-headers") ?? "",
    signature: query.get("x-oss-signature") ?? "",
    timestamp: query.get("x-oss-date") ?? "",
    securityToken: query.get("x-oss-security-token") ?? undefined,
  });
  return { ...claim, signedAt: undefined, expiresAt: (claim.signedAt ?? 0) + expiresSeconds * 1000 };
}

interface FieldsV4 {
  readonly credential: string;
  readonly additional: string;
  readonly signature: string;
  readonly timestamp: string;
  readonly securityToken: string | undefined;
}

function claimV4(request: SignedRequest, fields: FieldsV4): Claim {
  const { credential, additional, signature, timestamp, securityToken } = fields;
  const [accessKeyId = "", day = "", region = "", product = "", terminator] = credential.split("/");
  if (terminator !== "aliyun_v4_request" || (product !== "oss" && product !== "oss-cloudbox")) {
    throw new ServiceError(400, "InvalidArgument", "Invalid signing product in Authorization header.");
  }
  const signedAt = parseTimestamp(timestamp);
  if (day !== timestamp.slice(0, 8)) throw invalidDate();
  const scope = { day, region, product };
  const additionalHeaders = additional === "" ? [] : additional.split(";");
  return {
    accessKeyId,
    signature: Buffer.from(signature, "hex"),
    securityToken,
    signedAt,
    expiresAt: undefined,
    region,
    stringToSign: (place) => stringToSignV4(request, place, { scope, timestamp, additionalHeaders }),
    sign: (text, secret) => signatureV4(text, secret, scope),
  };
}

function parseTimestamp(text: string): number {
  const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(text);
  if (!match) throw invalidDate();
  const [year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0] = match.slice(1).map(Number);
  return Date.UTC(year, month - 1, day, hour, minute, second);
}

function invalidAuthorization(authorization: string): ServiceError {
  // The signature itself is left out: error texts end in logs.
  const method = authorization.split(" ", 1)[0] ?? "";
  return invalidArgument("Authorization", method, "Authorization header is invalid.");
}

function invalidDate(): ServiceError {
  return new ServiceError(403, "AccessDenied", "OSS authentication requires a valid Date.");
}
