// ECDSA over a digest that is already made, which node:crypto cannot do: it always hashes what it is given.
// Source: FIPS 186-5, section 6.4; curves P-256 and P-384 from SP 800-186. Not constant-time: for the local cloud only.
import { createECDH, type KeyObject, randomBytes } from "node:crypto";

interface Curve {
  readonly ecdhName: string;
  readonly fieldBytes: number;
  /** The field's prime; both curves have a = -3. */
  readonly prime: bigint;
  readonly order: bigint;
}

const curves: Readonly<Record<string, Curve>> = {
  "P-256": {
    ecdhName: "prime256v1",
    fieldBytes: 32,
    prime: 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n,
    order: 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n,
  },
  "P-384": {
    ecdhName: "secp384r1",
    fieldBytes: 48,
    prime: 2n ** 384n - 2n ** 128n - 2n ** 96n + 2n ** 32n - 1n,
    order: 0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n,
  },
};

type Point = { readonly x: bigint; readonly y: bigint } | undefined;

/** The signature as DER, the form KMS answers with. The digest must be as long as the curve's field. */
export function signDigest(privateKey: KeyObject, digest: Buffer): Buffer {
  const { curve, jwk } = inspect(privateKey);
  const secret = fromBase64Url(jwk.d);
  for (;;) {
    const nonce = toNumber(randomBytes(curve.fieldBytes));
    if (nonce === 0n || nonce >= curve.order) continue;
    const r = (multiplyBase(curve, nonce)?.x ?? 0n) % curve.order;
    const s = modulo(inverse(nonce, curve.order) * (toNumber(digest) + r * secret), curve.order);
    if (r !== 0n && s !== 0n) return encodeSignature(r, s);
  }
}

/** False for a signature of another digest or key, and for one that is not DER. */
export function verifyDigest(publicKey: KeyObject, digest: Buffer, signature: Buffer): boolean {
  const { curve, jwk } = inspect(publicKey);
  const numbers = decodeSignature(signature);
  if (!numbers) return false;
  const { r, s } = numbers;
  if (r <= 0n || s <= 0n || r >= curve.order || s >= curve.order) return false;
  const inverseOfS = inverse(s, curve.order);
  const fromBase = multiplyBase(curve, modulo(toNumber(digest) * inverseOfS, curve.order));
  const key = { x: fromBase64Url(jwk.x), y: fromBase64Url(jwk.y) };
  const fromKey = multiply(curve, key, modulo(r * inverseOfS, curve.order));
  const sum = add(curve, fromBase, fromKey);
  return sum !== undefined && sum.x % curve.order === r;
}

function inspect(key: KeyObject) {
  const jwk = key.export({ format: "jwk" });
  const curve = curves[jwk.crv ?? ""];
  if (!curve) throw new RangeError(`No digest signatures for the curve ${jwk.crv}.`);
  return { curve, jwk };
}

function multiplyBase(curve: Curve, factor: bigint): Point {
  if (factor === 0n) return undefined;
  const ecdh = createECDH(curve.ecdhName);
  ecdh.setPrivateKey(Buffer.from(factor.toString(16).padStart(curve.fieldBytes * 2, "0"), "hex"));
  // Uncompressed: 0x04, x, y.
  const point = ecdh.getPublicKey();
  return {
    x: toNumber(point.subarray(1, 1 + curve.fieldBytes)),
    y: toNumber(point.subarray(1 + curve.fieldBytes)),
  };
}

function multiply(curve: Curve, point: Point, factor: bigint): Point {
  let sum: Point;
  let doubled = point;
  for (let left = factor; left > 0n; left >>= 1n) {
    if (left & 1n) sum = add(curve, sum, doubled);
    doubled = add(curve, doubled, doubled);
  }
  return sum;
}

/** Undefined stands for the point at infinity. */
function add({ prime }: Curve, left: Point, right: Point): Point {
  if (!left) return right;
  if (!right) return left;
  const isDoubling = left.x === right.x;
  if (isDoubling && (left.y !== right.y || left.y === 0n)) return undefined;
  const slope = isDoubling
    ? (3n * left.x * left.x - 3n) * inverse(2n * left.y, prime)
    : (right.y - left.y) * inverse(modulo(right.x - left.x, prime), prime);
  const x = modulo(slope * slope - left.x - right.x, prime);
  return { x, y: modulo(slope * (left.x - x) - left.y, prime) };
}

function modulo(value: bigint, divisor: bigint): bigint {
  const rest = value % divisor;
  return rest < 0n ? rest + divisor : rest;
}

/** By the extended Euclidean algorithm. */
function inverse(value: bigint, divisor: bigint): bigint {
  let [low, high] = [modulo(value, divisor), divisor];
  let [lowFactor, highFactor] = [1n, 0n];
  while (low > 1n) {
    const quotient = high / low;
    [low, high] = [high - quotient * low, low];
    [lowFactor, highFactor] = [highFactor - quotient * lowFactor, lowFactor];
  }
  return modulo(lowFactor, divisor);
}

function toNumber(bytes: Buffer): bigint {
  return BigInt(`0x${bytes.toString("hex") || "0"}`);
}

function fromBase64Url(text: string | undefined): bigint {
  return toNumber(Buffer.from(text ?? "", "base64url"));
}

const derSequence = 0x30;
const derInteger = 0x02;

function encodeSignature(r: bigint, s: bigint): Buffer {
  const integers = Buffer.concat([encodeInteger(r), encodeInteger(s)]);
  // Two integers of at most 49 bytes each: the length always fits the short form (below 128).
  return Buffer.concat([Buffer.from([derSequence, integers.length]), integers]);
}

function encodeInteger(value: bigint): Buffer {
  const hex = value.toString(16);
  const bytes = Buffer.from(hex.padStart(hex.length + (hex.length % 2), "0"), "hex");
  const isNegative = ((bytes[0] ?? 0) & 0x80) !== 0;
  const body = isNegative ? Buffer.concat([Buffer.from([0]), bytes]) : bytes;
  return Buffer.concat([Buffer.from([derInteger, body.length]), body]);
}

function decodeSignature(der: Buffer): { r: bigint; s: bigint } | undefined {
  const rBytes = der[3] ?? 0;
  const sStart = 4 + rBytes;
  const sBytes = der[sStart + 1] ?? 0;
  const isDer =
    der[0] === derSequence &&
    der[1] === der.length - 2 &&
    der[2] === derInteger &&
    der[sStart] === derInteger &&
    der.length === sStart + 2 + sBytes;
  if (!isDer) return undefined;
  return { r: toNumber(der.subarray(4, sStart)), s: toNumber(der.subarray(sStart + 2)) };
}
