// Signature Version 4 as AWS checks it, in headers and in presigned URLs.
// Source: "Signing AWS API requests" and "Authenticating Requests: Using Query Parameters" in AWS's documentation.
import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { ServiceError } from "./service.ts";

export interface SignedRequest {
  readonly method: string;
  readonly rawPath: string;
  readonly query: URLSearchParams;
  readonly headers: Readonly<Record<string, string>>;
}

export interface Signature {
  readonly accessKeyId: string;
  /** The service in the credential scope; tells the gateway who is meant. */
  readonly service: string;
  readonly region: string;
  readonly presigned: boolean;
  readonly signedHeaders: readonly string[];
  /** `YYYYMMDD'T'HHMMSS'Z'` */
  readonly timestamp: string;
  readonly day: string;
  readonly signature: string;
  /** Presigned only. */
  readonly expiresSeconds: number | undefined;
  readonly sessionToken: string | undefined;
}

/** AWS refuses a request whose clock is further away than this. */
const largestSkewMilliseconds = 15 * 60_000;
/** The longest life AWS grants a presigned URL: seven days. */
const longestPresignedSeconds = 604_800;

/** Reads who signed, without checking; undefined when the request carries no signature at all. */
export function readSignature(request: SignedRequest): Signature | undefined {
  const { query, headers } = request;
  if (query.has("X-Amz-Signature")) {
    const credential = query.get("X-Amz-Credential") ?? "";
    return assemble(credential, {
      presigned: true,
      signedHeaders: (query.get("X-Amz-SignedHeaders") ?? "").split(";"),
      timestamp: query.get("X-Amz-Date") ?? "",
      signature: query.get("X-Amz-Signature") ?? "",
      expiresSeconds: Number(query.get("X-Amz-Expires") ?? Number.NaN),
      sessionToken: query.get("X-Amz-Security-Token") ?? undefined,
    });
  }
  const authorization = headers.authorization;
  if (authorization === undefined) return undefined;
  const match = /^AWS4-HMAC-SHA256 Credential=([^,\s]+),\s*SignedHeaders=([^,\s]+),\s*Signature=([0-9a-f]+)$/.exec(
    authorization,
  );
  if (!match) throw new ServiceError(400, "IncompleteSignature", "The Authorization header is not of SigV4's form.");
  const [, credential = "", signedHeaders = "", signature = ""] = match;
  return assemble(credential, {
    presigned: false,
    signedHeaders: signedHeaders.split(";"),
    timestamp: headers["x-amz-date"] ?? "",
    signature,
    expiresSeconds: undefined,
    sessionToken: headers["x-amz-security-token"],
  });
}

function assemble(credential: string, rest: Omit<Signature, "accessKeyId" | "service" | "region" | "day">): Signature {
  const [accessKeyId = "", day = "", region = "", service = "", terminator] = credential.split("/");
  if (terminator !== "aws4_request") {
    throw new ServiceError(400, "IncompleteSignature", "The credential scope must end in aws4_request.");
  }
  return { accessKeyId, day, region, service, ...rest };
}

/** Throws the error AWS answers with when the signature, its time or its expiry is wrong. */
export function verifySignature(
  request: SignedRequest,
  found: Signature,
  secret: string,
  nowMilliseconds: number,
): void {
  const signedAt = parseTimestamp(found.timestamp);
  if (found.presigned) {
    const seconds = found.expiresSeconds ?? Number.NaN;
    if (!(seconds >= 0 && seconds <= longestPresignedSeconds)) {
      throw new ServiceError(400, "AuthorizationQueryParametersError", "X-Amz-Expires must be from 0 to 604800.");
    }
    if (nowMilliseconds > signedAt + seconds * 1000) throw new ServiceError(403, "AccessDenied", "Request has expired");
  } else if (Math.abs(nowMilliseconds - signedAt) > largestSkewMilliseconds) {
    throw new ServiceError(
      403,
      found.service === "s3" ? "RequestTimeTooSkewed" : "InvalidSignatureException",
      "The difference between the request time and the current time is too large.",
    );
  }
  const scope = `${found.day}/${found.region}/${found.service}/aws4_request`;
  const canonical = canonicalRequest(request, found);
  const stringToSign = `AWS4-HMAC-SHA256\n${found.timestamp}\n${scope}\n${sha256Hex(canonical)}`;
  const dayKey = hmac(`AWS4${secret}`, found.day);
  const signingKey = hmac(hmac(hmac(dayKey, found.region), found.service), "aws4_request");
  const expected = hmac(signingKey, stringToSign);
  const given = Buffer.from(found.signature, "hex");
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
    throw new ServiceError(
      403,
      found.service === "s3" ? "SignatureDoesNotMatch" : "InvalidSignatureException",
      "The request signature we calculated does not match the signature you provided.",
    );
  }
}

function canonicalRequest(request: SignedRequest, found: Signature): string {
  const { query, headers } = request;
  const pairs = [...query]
    .filter(([name]) => name !== "X-Amz-Signature")
    .map(([name, value]) => [encode(name), encode(value)] as const)
    .sort(
      ([leftName, leftValue], [rightName, rightValue]) =>
        compare(leftName, rightName) || compare(leftValue, rightValue),
    );
  const payloadHash = found.presigned
    ? (headers["x-amz-content-sha256"] ?? "UNSIGNED-PAYLOAD")
    : (headers["x-amz-content-sha256"] ?? "");
  return [
    request.method,
    canonicalPath(request.rawPath, found.service),
    pairs.map(([name, value]) => `${name}=${value}`).join("&"),
    ...found.signedHeaders.map((name) => `${name}:${(headers[name] ?? "").trim().replace(/\s+/g, " ")}`),
    "",
    found.signedHeaders.join(";"),
    payloadHash,
  ].join("\n");
}

/** S3 signs the path encoded once; every other service signs it encoded twice. */
function canonicalPath(rawPath: string, service: string): string {
  const once = rawPath
    .split("/")
    .map((segment) => encode(decodeURIComponent(segment)))
    .join("/");
  return service === "s3" ? once : once.split("/").map(encode).join("/");
}

/** Headers without x-amz-content-sha256 (services other than S3): the hash of the bytes that came. */
export function withPayloadHash(request: SignedRequest, body: Buffer): SignedRequest {
  if (request.headers["x-amz-content-sha256"] !== undefined) return request;
  return { ...request, headers: { ...request.headers, "x-amz-content-sha256": sha256Hex(body) } };
}

export function sha256Hex(data: string | Buffer): string {
  return createHash("sha256").update(data).digest("hex");
}

function parseTimestamp(text: string): number {
  const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(text);
  if (!match) throw new ServiceError(403, "AccessDenied", "X-Amz-Date must be in the form YYYYMMDD'T'HHMMSS'Z'.");
  const [year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0] = match.slice(1).map(Number);
  return Date.UTC(year, month - 1, day, hour, minute, second);
}

function hmac(key: string | Buffer, data: string): Buffer {
  return createHmac("sha256", key).update(data).digest();
}

function compare(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}

function encode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}
