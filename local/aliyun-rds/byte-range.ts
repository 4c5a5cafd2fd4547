// What OSS makes of a Range header. It is laxer than HTTP: whatever is out of bounds brings the whole object with 200.
// Source: OSS's page on range requests, with its table of valid and invalid forms.

export interface ByteRange {
  readonly start: number;
  readonly length: number;
  /** 206 with Content-Range, or 200. */
  readonly isPartial: boolean;
}

/** "unsatisfiable" (416) only comes when the caller asked for standard behaviour. */
export function readRange(
  header: string | undefined,
  sizeBytes: number,
  isStandard: boolean,
): ByteRange | "unsatisfiable" {
  const whole: ByteRange = { start: 0, length: sizeBytes, isPartial: false };
  // Of several ranges OSS answers the first one.
  const match = /^bytes=(\d*)-(\d*)(?:,.*)?$/.exec(header ?? "");
  const [, first = "", last = ""] = match ?? [];
  if (!match || (first === "" && last === "")) return whole;
  if (first === "") {
    const suffixBytes = Number(last);
    if (suffixBytes >= 1 && suffixBytes <= sizeBytes) return partial(sizeBytes - suffixBytes, sizeBytes - 1);
    if (!isStandard) return whole;
    return suffixBytes === 0 || sizeBytes === 0 ? "unsatisfiable" : partial(0, sizeBytes - 1);
  }
  const start = Number(first);
  const end = last === "" ? sizeBytes - 1 : Number(last);
  if (last !== "" && end < start) return whole;
  if (start >= sizeBytes) return isStandard ? "unsatisfiable" : whole;
  if (end >= sizeBytes) return isStandard ? partial(start, sizeBytes - 1) : whole;
  return partial(start, end);
}

/** Another range of the same length where the object has one; used by the fault rig. */
export function neighbouringRange(range: ByteRange, sizeBytes: number): ByteRange {
  const start = range.start > 0 ? range.start - 1 : 1;
  const length = Math.max(0, Math.min(range.length, sizeBytes - start));
  return { start, length, isPartial: true };
}

function partial(start: number, end: number): ByteRange {
  return { start, length: end - start + 1, isPartial: true };
}
