// Patterns as IAM writes them.

/** `*` is any run of characters, `?` any one. */
export function wildcard(pattern: string, flags: "" | "i" = ""): (text: string) => boolean {
  if (pattern === "*") return () => true;
  if (!/[*?]/.test(pattern)) return sameText(pattern, flags === "i");
  const source = pattern
    .replace(/[\\^$.+()[\]{}|]/g, "\\$&")
    .replaceAll("*", "[^]*")
    .replaceAll("?", "[^]");
  const expression = new RegExp(`^${source}$`, flags);
  return (text) => expression.test(text);
}

/** Most patterns name one thing: comparing is far cheaper than an expression, and policies are asked at every call. */
function sameText(pattern: string, ignoresCase: boolean): (text: string) => boolean {
  if (!ignoresCase) return (text) => text === pattern;
  const lower = pattern.toLowerCase();
  return (text) => text.length === pattern.length && (text === pattern || text.toLowerCase() === lower);
}

/** The six parts of an ARN compare one by one: a `*` does not cross a colon before the last part. */
export function arnPattern(pattern: string): (arn: string) => boolean {
  const parts = arnParts(pattern).map((part) => wildcard(part));
  return (arn) => {
    const given = arnParts(arn);
    return given.length === parts.length && parts.every((matches, index) => matches(given[index] ?? ""));
  };
}

function arnParts(arn: string): string[] {
  const parts = arn.split(":");
  const partsBeforeResource = 5;
  return [...parts.slice(0, partsBeforeResource), parts.slice(partsBeforeResource).join(":")];
}
