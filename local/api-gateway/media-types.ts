// Which bodies are binary. Source: "Content type conversions in API Gateway" in the API Gateway Developer Guide.

// `text/plain;charset=utf-8` matches `text/plain`, `text/*` and the wildcard for all. Of an Accept header the first type counts.
export function isBinary(contentTypeOrAccept: string | undefined, binaryMediaTypes: readonly string[]): boolean {
  const [type = "", subtype = ""] = (contentTypeOrAccept ?? "")
    .replace(/[,;].*$/s, "")
    .trim()
    .toLowerCase()
    .split("/");
  if (type === "") return binaryMediaTypes.includes("*/*");
  return binaryMediaTypes.some((pattern) => {
    const [wantedType, wantedSubtype] = pattern.toLowerCase().split("/");
    return (wantedType === "*" || wantedType === type) && (wantedSubtype === "*" || wantedSubtype === subtype);
  });
}
