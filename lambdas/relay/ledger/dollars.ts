// Nano-USD as people read them.

const nanoPerDollar = 1_000_000_000;

/** "12.50 USD", with up to six decimals where they are needed. */
export function dollars(nanoUsd: number): string {
  const [whole = "0", decimals = ""] = (nanoUsd / nanoPerDollar).toFixed(6).split(".");
  return `${whole}.${decimals.replace(/0{1,4}$/, "")} USD`;
}
