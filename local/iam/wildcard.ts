// Patterns as IAM writes them.

/** `*` is any run of characters, `?` any one. */
export function wildcard(pattern: string, flags = ""): (text: string) => boolean {
  if (pattern === "*") return () => true;
  const source = pattern
    .replace(/[\\^$.+()[\]{}|]/g, "\\$&")
    .replaceAll("*", "[^]*")
    .replaceAll("?", "[^]");
  const expression = new RegExp(`^${source}$`, flags);
  return (text) => expression.test(text);
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
