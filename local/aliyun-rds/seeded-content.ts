// Content computed from a seed at any offset: sources of many GiB without disk or memory, at the speed of a copy.
import { seededRandom } from "../rig/faults.ts";

/** One block of random bytes serves as the ground; stamps on it make every place of the content different. */
const blockBytes = 64 * 1024;
/** A stamp of 8 bytes begins each stretch, so that ranges of at least this length tell any mix-up of offsets. */
const stretchBytes = 64;

/**
 * Returns a function that gives the bytes at [offset, offset + length). The same seed gives the same content;
 * contents of different length agree on their common beginning.
 */
export function seededContent(seed: number): (offset: number, length: number) => Buffer {
  const random = seededRandom(seed);
  const ground = Buffer.alloc(blockBytes);
  for (let at = 0; at < blockBytes; at += 4) ground.writeUInt32LE(Math.floor(random() * 2 ** 32), at);
  const salt = Math.floor(random() * 2 ** 32);

  return (offset, length) => {
    const firstStretch = Math.floor(offset / stretchBytes);
    const start = firstStretch * stretchBytes;
    const wanted = offset - start + length;
    const whole = Buffer.allocUnsafe(Math.ceil(wanted / stretchBytes) * stretchBytes);
    for (let at = 0; at < whole.length; ) {
      at += ground.copy(whole, at, (start + at) % blockBytes);
    }
    // Low 32 bits scrambled by odd multiplications (a permutation), high bits beside them: no two stamps are alike.
    for (let at = 0, stretch = firstStretch; at < whole.length; at += stretchBytes, stretch += 1) {
      const low = Math.imul(Math.imul(stretch | 0, 0x9e3779b1) ^ salt, 0x85ebca6b);
      whole.writeInt32LE(low, at);
      whole.writeUInt32LE(Math.floor(stretch / 2 ** 32), at + 4);
    }
    return whole.subarray(offset - start, wanted);
  };
}
