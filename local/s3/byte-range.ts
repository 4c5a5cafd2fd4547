// The Range header of reads, as S3 understands it: one range of bytes, anything else is as if it were not there.
// Source: GetObject in the S3 API reference; RFC 9110 section 14.
import { S3Error } from "./s3-error.ts";

export interface ByteRange {
  readonly from: number;
  readonly bytes: number;
}

/** Undefined: the whole object. Throws 416 InvalidRange where no byte of the object is asked for. */
export function parseRange(header: string | undefined, objectBytes: number): ByteRange | undefined {
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header?.trim() ?? "");
  if (!match) return undefined;
  const [, first = "", last = ""] = match;
  if (first === "" && last === "") return undefined;
  if (first === "") {
    const bytes = Math.min(Number(last), objectBytes);
    if (bytes === 0) throw unsatisfiable(header ?? "", objectBytes);
    return { from: objectBytes - bytes, bytes };
  }
  const from = Number(first);
  if (last !== "" && Number(last) < from) return undefined;
  if (from >= objectBytes) throw unsatisfiable(header ?? "", objectBytes);
  const end = last === "" ? objectBytes - 1 : Math.min(Number(last), objectBytes - 1);
  return { from, bytes: end - from + 1 };
}

export function contentRange(range: ByteRange, objectBytes: number): string {
  return `bytes ${range.from}-${range.from + range.bytes - 1}/${objectBytes}`;
}

function unsatisfiable(header: string, objectBytes: number): S3Error {
  return new S3Error(416, "InvalidRange", "The requested range is not satisfiable", {
    details: { RangeRequested: header, ActualObjectSize: String(objectBytes) },
    headers: { "content-range": `bytes */${objectBytes}` },
  });
}
