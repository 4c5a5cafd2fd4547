// Checks the signature of every chunk, and of the trailers, of a signed aws-chunked body.
// Source: "Signature Calculations … Transferring Payload in Multiple Chunks (Chunked Upload)" in the S3 API reference.
import { createHash, createHmac, type Hash, timingSafeEqual } from "node:crypto";
import type { ServiceRequest } from "../gateway/service.ts";
import { readSignature, sha256Hex } from "../gateway/sigv4.ts";
import type { ChunkObserver } from "./aws-chunked.ts";
import { S3Error } from "./s3-error.ts";

/** Throws 403 SignatureDoesNotMatch from whichever call first sees a wrong signature. */
export function verifyChunkSignatures(
  request: Pick<ServiceRequest, "method" | "rawPath" | "query" | "headers" | "principal">,
  expects: { readonly signedTrailers: boolean },
): ChunkObserver {
  const seed = readSignature(request);
  if (!seed || !request.principal) throw mismatch();
  const scope = `${seed.day}/${seed.region}/s3/aws4_request`;
  const dayKey = hmac(`AWS4${request.principal.secretAccessKey}`, seed.day);
  const signingKey = hmac(hmac(hmac(dayKey, seed.region), "s3"), "aws4_request");
  let previous = seed.signature;
  let given: string | undefined;
  let hash: Hash = createHash("sha256");

  const check = (kind: string, hashes: readonly string[], signature: string | undefined): void => {
    const stringToSign = [`AWS4-HMAC-SHA256-${kind}`, seed.timestamp, scope, previous, ...hashes].join("\n");
    const expected = hmac(signingKey, stringToSign);
    const actual = Buffer.from(signature ?? "", "hex");
    if (actual.length !== expected.length || !timingSafeEqual(actual, expected)) throw mismatch();
    previous = expected.toString("hex");
  };

  return {
    chunkStarts(signature) {
      given = signature;
      hash = createHash("sha256");
    },
    chunkData: (bytes) => void hash.update(bytes),
    chunkEnds: () => check("PAYLOAD", [sha256Hex(""), hash.digest("hex")], given),
    trailersEnd(lines, signature) {
      if (expects.signedTrailers) check("TRAILER", [sha256Hex(lines.join(""))], signature);
    },
  };
}

function hmac(key: string | Buffer, data: string): Buffer {
  return createHmac("sha256", key).update(data).digest();
}

function mismatch(): S3Error {
  return new S3Error(
    403,
    "SignatureDoesNotMatch",
    "The signature of a chunk we calculated does not match the signature you provided.",
  );
}
