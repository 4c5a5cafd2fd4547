// Checks a request of Aliyun's RPC API: ACS3-HMAC-SHA256 signature, STS token, age, and that its nonce is new.
// Source: the request signing of @alicloud/openapi-core 1.0.8 and Aliyun's "V3 request body and signature" page.
import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import type { Clock } from "../rig/clock.ts";
import { AliyunError } from "./aliyun-error.ts";

export interface AliyunCredentials {
  readonly accessKeyId: string;
  readonly accessKeySecret: string;
  /** With temporary (STS) keys; the request must then carry it. */
  readonly securityToken?: string;
}

export interface AliyunRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

const algorithm = "ACS3-HMAC-SHA256";
const largestSkewMilliseconds = 15 * 60_000;
/** More than the calls of half an hour; the oldest are forgotten first. */
const mostNonces = 100_000;

/** Nonces seen in the last half hour. */
export class Nonces {
  readonly #seenAt = new Map<string, number>();

  /** False when it was used before. */
  take(nonce: string, now: number): boolean {
    for (const [oldest, seenAt] of this.#seenAt) {
      if (this.#seenAt.size < mostNonces && now - seenAt < 2 * largestSkewMilliseconds) break;
      this.#seenAt.delete(oldest);
    }
    if (this.#seenAt.has(nonce)) return false;
    this.#seenAt.set(nonce, now);
    return true;
  }
}

/** Throws AliyunError with Aliyun's code and status (facts 2.1; statuses from its public error code pages). */
export function verifyRequest(
  request: AliyunRequest,
  credentials: readonly AliyunCredentials[],
  clock: Clock,
  nonces: Nonces,
): void {
  const { headers } = request;
  const given = readAuthorization(headers.authorization);
  const known = credentials.find(({ accessKeyId }) => accessKeyId === given.accessKeyId);
  const token = headers["x-acs-security-token"];
  if (!known || (known.securityToken !== undefined && token === undefined)) {
    throw new AliyunError(404, "InvalidAccessKeyId.NotFound", "Specified access key is not found.");
  }
  checkEverythingIsSigned(headers, given.signedHeaders);
  const bodyHash = createHash("sha256").update(request.body).digest("hex");
  const expected = createHmac("sha256", known.accessKeySecret)
    .update(stringToSign(request, given.signedHeaders))
    .digest();
  const signature = Buffer.from(given.signature, "hex");
  if (
    headers["x-acs-content-sha256"] !== bodyHash ||
    signature.length !== expected.length ||
    !timingSafeEqual(signature, expected)
  ) {
    throw new AliyunError(
      400,
      "SignatureDoesNotMatch",
      "Specified signature is not matched with our calculation. Check the access key secret and the signing method.",
    );
  }
  if (known.securityToken !== token) {
    throw new AliyunError(400, "InvalidSecurityToken.Malformed", "Specified SecurityToken is malformed.");
  }
  const now = clock.now();
  const signedAt = readTimestamp(headers["x-acs-date"]);
  if (Math.abs(now - signedAt) > largestSkewMilliseconds) {
    throw new AliyunError(400, "InvalidTimeStamp.Expired", "Specified time stamp or date value is expired.");
  }
  const nonce = headers["x-acs-signature-nonce"] ?? "";
  if (nonce === "") throw new AliyunError(400, "MissingSignatureNonce", "SignatureNonce is mandatory for this action.");
  if (!nonces.take(`${given.accessKeyId} ${nonce}`, now)) {
    throw new AliyunError(400, "SignatureNonceUsed", "Specified signature nonce was used already.");
  }
}

function readAuthorization(header: string | undefined) {
  if (header === undefined)
    throw new AliyunError(400, "MissingAccessKeyId", "AccessKeyId is mandatory for this action.");
  const match = /^(\S+) Credential=([^,]+),SignedHeaders=([^,]+),Signature=([0-9a-f]+)$/.exec(header);
  const [, method, accessKeyId = "", signedHeaders = "", signature = ""] = match ?? [];
  if (!match || method !== algorithm) {
    throw new AliyunError(
      400,
      "IncompleteSignature",
      `The request signature does not conform to Aliyun standards: ${algorithm} is the one this stand-in takes.`,
    );
  }
  return { accessKeyId, signedHeaders: signedHeaders.split(";"), signature };
}

/** Host and every x-acs-* header must be covered by the signature, or they could be changed on the way. */
function checkEverythingIsSigned(headers: AliyunRequest["headers"], signedHeaders: readonly string[]): void {
  const mandatory = Object.keys(headers).filter((name) => name === "host" || name.startsWith("x-acs-"));
  const forgotten = mandatory.filter((name) => !signedHeaders.includes(name));
  if (forgotten.length > 0) {
    throw new AliyunError(400, "IncompleteSignature", `Headers without signature: ${forgotten.join(", ")}.`);
  }
}

function stringToSign(request: AliyunRequest, signedHeaders: readonly string[]): string {
  const query = [...request.query]
    .map(([name, value]) => `${encodeStrictly(name)}=${encodeStrictly(value)}`)
    .sort((left, right) => (left < right ? -1 : 1))
    .join("&");
  const canonicalHeaders = signedHeaders.map((name) => `${name}:${(request.headers[name] ?? "").trim()}\n`).join("");
  const canonicalRequest = [
    request.method,
    request.path,
    query,
    canonicalHeaders,
    signedHeaders.join(";"),
    request.headers["x-acs-content-sha256"] ?? "",
  ].join("\n");
  return `${algorithm}\n${createHash("sha256").update(canonicalRequest).digest("hex")}`;
}

function readTimestamp(text: string | undefined): number {
  if (text === undefined) throw new AliyunError(400, "MissingTimestamp", "Timestamp is mandatory for this action.");
  const milliseconds = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(milliseconds)) {
    throw new AliyunError(400, "InvalidTimeStamp.Format", "Specified time stamp or date value is not well formatted.");
  }
  return milliseconds;
}

/** RFC 3986: everything escaped but letters, digits and -_.~ */
export function encodeStrictly(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}
