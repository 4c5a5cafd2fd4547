// Dollars as people write them, and integer nano-USD as the API has them; no float in between.
import { UsageProblem } from "./usage-problem.ts";

const nanoDigits = 9;

/** `12.5` is 12,500,000,000. Throws UsageProblem naming the option. */
export function nanoUsdOf(text: string, option: string): number {
  const [, sign = "", whole = "", fraction = ""] = /^([+-]?)\$?(\d{1,7})(?:\.(\d{1,9}))?$/.exec(text.trim()) ?? [];
  if (whole === "") throw new UsageProblem(`${option} ${text} is no sum of dollars; give one such as 20 or 0.5.`);
  const nanoUsd = Number(whole + fraction.padEnd(nanoDigits, "0"));
  return sign === "-" ? -nanoUsd : nanoUsd;
}

/** `$12.50`, `$0.000123`: two digits behind the point, more where the rest would be lost. */
export function dollarsOf(nanoUsd: number): string {
  const digits = String(Math.abs(nanoUsd)).padStart(nanoDigits + 1, "0");
  const fraction = digits.slice(-nanoDigits).replace(/0+$/, "").padEnd(2, "0");
  return `${nanoUsd < 0 ? "-" : ""}$${digits.slice(0, -nanoDigits)}.${fraction}`;
}
