// The MD5 sums by which SQS lets a client check what arrived.
// Source: "Amazon SQS message attributes", section "Calculating the MD5 message digest for message attributes".
import { createHash } from "node:crypto";

export interface MessageAttribute {
  readonly DataType: string;
  readonly StringValue?: string | undefined;
  /** base64 */
  readonly BinaryValue?: string | undefined;
}

export type MessageAttributes = Readonly<Record<string, MessageAttribute>>;

export function bodyDigest(body: string): string {
  return createHash("md5").update(body, "utf8").digest("hex");
}

/** Undefined where there are no attributes: SQS then leaves the member out. */
export function attributesDigest(attributes: MessageAttributes): string | undefined {
  const names = Object.keys(attributes).sort();
  if (names.length === 0) return undefined;
  const hash = createHash("md5");
  for (const name of names) {
    const attribute = attributes[name];
    if (!attribute) continue;
    hash.update(withLength(Buffer.from(name, "utf8")));
    hash.update(withLength(Buffer.from(attribute.DataType, "utf8")));
    const isBinary = attribute.DataType.startsWith("Binary");
    hash.update(Buffer.from([isBinary ? 2 : 1]));
    const value = isBinary
      ? Buffer.from(attribute.BinaryValue ?? "", "base64")
      : Buffer.from(attribute.StringValue ?? "", "utf8");
    hash.update(withLength(value));
  }
  return hash.digest("hex");
}

function withLength(bytes: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}
