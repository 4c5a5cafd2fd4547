// CloudWatch Logs' filter patterns for plain text: terms, "quoted terms", ?any-of, -excluded.
// Source: "Filter pattern syntax for metric filters, subscription filters, and filter log events".
import { ServiceError } from "../gateway/service.ts";

/** Throws ServiceError InvalidParameterException for patterns over JSON or columns, which the local cloud does not have. */
export function compileFilterPattern(pattern: string): (message: string) => boolean {
  if (/^\s*[{[%]/.test(pattern)) {
    throw new ServiceError(
      400,
      "InvalidParameterException",
      `The local cloud filters by plain terms, not by ${pattern}`,
    );
  }
  const required: string[] = [];
  const anyOf: string[] = [];
  const excluded: string[] = [];
  for (const [, sign, quoted, plain] of pattern.matchAll(/([?-]?)(?:"((?:[^"\\]|\\.)*)"|(\S+))/g)) {
    const term = quoted === undefined ? (plain ?? "") : quoted.replaceAll(/\\(.)/g, "$1");
    if (sign === "?") anyOf.push(term);
    else if (sign === "-") excluded.push(term);
    else required.push(term);
  }
  return (message) =>
    required.every((term) => message.includes(term)) &&
    !excluded.some((term) => message.includes(term)) &&
    (anyOf.length === 0 || anyOf.some((term) => message.includes(term)));
}
