// The order in which S3 and OSS list keys: by the bytes of their UTF-8. JavaScript's own is by UTF-16, which is another.

/** Below 0: `left` is listed first. Keys are whole Unicode text, as everything that comes out of a list is. */
export function compareKeys(left: string, right: string): number {
  const length = Math.min(left.length, right.length);
  for (let at = 0; at < length; at += 1) {
    const [leftUnit, rightUnit] = [left.charCodeAt(at), right.charCodeAt(at)];
    if (leftUnit !== rightUnit) return rank(leftUnit) - rank(rightUnit);
  }
  return left.length - right.length;
}

const firstSurrogate = 0xd800;
const behindSurrogates = 0xe000;
const surrogates = behindSurrogates - firstSurrogate;

/** UTF-16 writes what lies beyond U+FFFF with units below U+E000; in UTF-8 it stands behind U+FFFF. */
function rank(unit: number): number {
  if (unit < firstSurrogate) return unit;
  return unit >= behindSurrogates ? unit - surrogates : unit + (0x10000 - behindSurrogates);
}
