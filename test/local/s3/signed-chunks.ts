// A client that signs every chunk of its body, as AWS's Java client does and the JavaScript one does not.
// Source: "Signature Calculations … Transferring Payload in Multiple Chunks" in the S3 API reference.
import { createHash, createHmac } from "node:crypto";
import { operator } from "./s3-rig.ts";

export interface ChunkedUpload {
  readonly url: string;
  readonly chunks: readonly Buffer[];
  readonly trailer: { readonly name: string; readonly value: string } | undefined;
  /** Announced without a trailer being sent. */
  readonly announcedTrailer?: string;
  /** Index of a chunk whose first byte is changed after signing. */
  readonly corruptChunk?: number;
  readonly corruptTrailer?: boolean;
}

const sha256 = (data: string | Buffer): string => createHash("sha256").update(data).digest("hex");
const hmac = (key: string | Buffer, data: string): Buffer => createHmac("sha256", key).update(data).digest();

export async function signedChunkedUpload(upload: ChunkedUpload): Promise<{ status: number; text: string }> {
  const url = new URL(upload.url);
  const timestamp = new Date().toISOString().replace(/[-:]|\.\d+/g, "");
  const scope = `${timestamp.slice(0, 8)}/eu-central-1/s3/aws4_request`;
  const announced = upload.trailer?.name ?? upload.announcedTrailer;
  const headers: Record<string, string> = {
    host: url.host,
    "x-amz-content-sha256": `STREAMING-AWS4-HMAC-SHA256-PAYLOAD${announced ? "-TRAILER" : ""}`,
    "x-amz-date": timestamp,
    "x-amz-decoded-content-length": String(upload.chunks.reduce((sum, chunk) => sum + chunk.length, 0)),
    ...(announced ? { "x-amz-trailer": announced } : {}),
  };
  const names = Object.keys(headers).toSorted();
  const canonical = [
    "PUT",
    url.pathname,
    "",
    ...names.map((name) => `${name}:${headers[name]}`),
    "",
    names.join(";"),
    headers["x-amz-content-sha256"],
  ].join("\n");
  const dayKey = hmac(`AWS4${operator.secretAccessKey}`, timestamp.slice(0, 8));
  const key = hmac(hmac(hmac(dayKey, "eu-central-1"), "s3"), "aws4_request");
  const sign = (...lines: string[]): string => hmac(key, lines.join("\n")).toString("hex");
  let previous = sign("AWS4-HMAC-SHA256", timestamp, scope, sha256(canonical));
  const authorization =
    `AWS4-HMAC-SHA256 Credential=${operator.accessKeyId}/${scope}, ` +
    `SignedHeaders=${names.join(";")}, Signature=${previous}`;

  const framed: Buffer[] = [];
  for (const [index, chunk] of [...upload.chunks, Buffer.alloc(0)].entries()) {
    previous = sign("AWS4-HMAC-SHA256-PAYLOAD", timestamp, scope, previous, sha256(""), sha256(chunk));
    const sent = Buffer.from(chunk);
    if (index === upload.corruptChunk) sent[0] = (sent[0] ?? 0) ^ 1;
    framed.push(Buffer.from(`${chunk.length.toString(16)};chunk-signature=${previous}\r\n`), sent);
    if (chunk.length > 0) framed.push(Buffer.from("\r\n"));
  }
  if (announced) {
    const line = upload.trailer ? `${upload.trailer.name}:${upload.trailer.value}\n` : "";
    previous = sign("AWS4-HMAC-SHA256-TRAILER", timestamp, scope, previous, sha256(line));
    if (upload.corruptTrailer) previous = sha256("other");
    framed.push(Buffer.from(`${line.replace("\n", "\r\n")}x-amz-trailer-signature:${previous}\r\n`));
  }
  framed.push(Buffer.from("\r\n"));
  const response = await fetch(upload.url, {
    method: "PUT",
    headers: { ...headers, authorization },
    body: Buffer.concat(framed),
  });
  return { status: response.status, text: await response.text() };
}
