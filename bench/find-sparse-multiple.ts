// node bench/find-sparse-multiple.ts 42F0E1EBA9EA3693: finds the lags that lambdas/replication/checksums/crc64.ts uses.
// Prints a solution every minute or so, some of them twice, until it is stopped: one is enough. Only needed for another
// polynomial; a test of the checksums holds the lags themselves against the polynomial.

/** Exponents are multiples of 8 bits, up to this many bytes: enough for some solutions with eight terms to exist. */
const mostBytes = 4000;
const shortestLagBytes = 64;
/** Only sums that begin with the same bits are compared at a time: what fits into memory. */
const prefixBits = 12;
const prefixShift = 32 - prefixBits;
const filterBits = 26;
const tableBits = 23;

const polynomial = BigInt(`0x${process.argv[2] ?? "42F0E1EBA9EA3693"}`);
/** x^(8i) modulo the polynomial, as two halves. */
const [high, low] = powersOfByte(polynomial);
/** The exponents by the first bits of their powers. */
const byPrefix = Array.from({ length: 2 ** prefixBits }, (_, prefix) =>
  Uint16Array.from([...high.keys()].filter((exponent) => exponent > 0 && prefixOf(high[exponent] ?? 0) === prefix)),
);
const pairs = pairsByPrefix();
for (let prefix = 0; prefix < 2 ** prefixBits; prefix++) searchPrefix(prefix);

/**
 * A multiple with eight terms is 1 + x^a + … + x^g = 0. Three of the exponents on one side, four and the 1 on the
 * other: all threes that begin with the prefix go into a table, all fours are looked up in it.
 */
function searchPrefix(prefix: number): void {
  const threes = collectThrees(prefix);
  for (let first = 0; first < 2 ** prefixBits; first++) {
    const second = first ^ prefix;
    // Each four is met as two pairs in either order; one is enough.
    if (second < first) continue;
    for (let left = pairs.starts[first] ?? 0; left < (pairs.starts[first + 1] ?? 0); left++) {
      const [a, b] = [pairs.smaller[left] ?? 0, pairs.larger[left] ?? 0];
      const highOfPair = (high[a] ?? 0) ^ (high[b] ?? 0);
      const lowOfPair = (low[a] ?? 0) ^ (low[b] ?? 0) ^ 1;
      for (let right = pairs.starts[second] ?? 0; right < (pairs.starts[second + 1] ?? 0); right++) {
        const wantedLow = lowOfPair ^ (pairs.low[right] ?? 0);
        const place = wantedLow >>> (32 - filterBits);
        if (((threes.filter[place >>> 5] ?? 0) & (1 << (place & 31))) === 0) continue;
        const found = threes.find(highOfPair ^ (pairs.high[right] ?? 0), wantedLow);
        if (found) report([a, b, pairs.smaller[right] ?? 0, pairs.larger[right] ?? 0, ...found]);
      }
    }
  }
}

function collectThrees(prefix: number) {
  const filter = new Int32Array(2 ** (filterBits - 5));
  const slots = { high: new Int32Array(2 ** tableBits), low: new Int32Array(2 ** tableBits) };
  const exponents = [0, 1, 2].map(() => new Uint16Array(2 ** tableBits));
  const [as = new Uint16Array(), bs = new Uint16Array(), cs = new Uint16Array()] = exponents;
  const mask = 2 ** tableBits - 1;
  for (let pair = 0; pair < pairs.low.length; pair++) {
    const [a, b] = [pairs.smaller[pair] ?? 0, pairs.larger[pair] ?? 0];
    const [pairHigh, pairLow] = [pairs.high[pair] ?? 0, pairs.low[pair] ?? 0];
    for (const c of byPrefix[prefixOf(pairHigh) ^ prefix] ?? []) {
      if (c <= b) continue;
      const [sumHigh, sumLow] = [pairHigh ^ (high[c] ?? 0), pairLow ^ (low[c] ?? 0)];
      const place = sumLow >>> (32 - filterBits);
      filter[place >>> 5] = (filter[place >>> 5] ?? 0) | (1 << (place & 31));
      let slot = sumLow & mask;
      while (cs[slot] !== 0) slot = (slot + 1) & mask;
      [slots.high[slot], slots.low[slot]] = [sumHigh, sumLow];
      [as[slot], bs[slot], cs[slot]] = [a, b, c];
    }
  }
  const find = (wantedHigh: number, wantedLow: number): number[] | undefined => {
    for (let slot = wantedLow & mask; cs[slot] !== 0; slot = (slot + 1) & mask) {
      if (slots.low[slot] === wantedLow && slots.high[slot] === wantedHigh) {
        return [as[slot] ?? 0, bs[slot] ?? 0, cs[slot] ?? 0];
      }
    }
    return undefined;
  };
  return { filter, find };
}

function report(exponents: readonly number[]): void {
  if (new Set(exponents).size < exponents.length) return;
  const largest = Math.max(...exponents);
  const lags = [...exponents.filter((exponent) => exponent < largest).map((exponent) => largest - exponent), largest];
  lags.sort((left, right) => left - right);
  if ((lags[0] ?? 0) >= shortestLagBytes) process.stdout.write(`lagsBytes: [${lags.join(", ")}]\n`);
}

function powersOfByte(divisor: bigint): [Int32Array, Int32Array] {
  const highs = new Int32Array(mostBytes + 1);
  const lows = new Int32Array(mostBytes + 1);
  let power = 1n;
  for (let exponent = 0; exponent <= mostBytes; exponent++) {
    highs[exponent] = Number(BigInt.asIntN(32, power >> 32n));
    lows[exponent] = Number(BigInt.asIntN(32, power));
    for (let bit = 0; bit < 8; bit++) {
      power = BigInt.asUintN(64, power << 1n) ^ (power >> 63n === 1n ? divisor : 0n);
    }
  }
  return [highs, lows];
}

function prefixOf(highHalf: number): number {
  return highHalf >>> prefixShift;
}

/** All pairs of exponents with the sums of their powers, ordered by the sums' first bits. */
function pairsByPrefix() {
  const starts = new Uint32Array(2 ** prefixBits + 1);
  const sumOf = (a: number, b: number) => (high[a] ?? 0) ^ (high[b] ?? 0);
  const eachPair = (visit: (a: number, b: number) => void) => {
    for (let a = 1; a <= mostBytes; a++) for (let b = a + 1; b <= mostBytes; b++) visit(a, b);
  };
  eachPair((a, b) => {
    const after = prefixOf(sumOf(a, b)) + 1;
    starts[after] = (starts[after] ?? 0) + 1;
  });
  for (let prefix = 0; prefix < 2 ** prefixBits; prefix++) {
    starts[prefix + 1] = (starts[prefix + 1] ?? 0) + (starts[prefix] ?? 0);
  }
  const count = (mostBytes * (mostBytes - 1)) / 2;
  const sums = { high: new Int32Array(count), low: new Int32Array(count) };
  const exponents = { smaller: new Uint16Array(count), larger: new Uint16Array(count) };
  const next = starts.slice();
  eachPair((a, b) => {
    const prefix = prefixOf(sumOf(a, b));
    const place = next[prefix] ?? 0;
    next[prefix] = place + 1;
    sums.high[place] = sumOf(a, b);
    sums.low[place] = (low[a] ?? 0) ^ (low[b] ?? 0);
    exponents.smaller[place] = a;
    exponents.larger[place] = b;
  });
  return { starts, ...sums, ...exponents };
}
