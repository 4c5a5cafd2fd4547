// Read key text: the relay's key, from every place where clients put one; and the query without it.

/** Causeway's own prefix: with two keys in a request (a login's token and the relay's key), the one with it counts. */
const prefix = "cwk_";

/** Parameters of a query that carry keys or tokens (Google's APIs). */
const keyParameters = new Set(["key", "access_token", "oauth_token"]);

/** Longer than any key; whatever is longer is not looked at. */
const mostCharacters = 500;

/**
 * Anthropic's `x-api-key` or bearer token, OpenAI's bearer token, Azure's `api-key`, Google's `x-goog-api-key`, bearer
 * token or `?key=`. Without the prefix, the first text that is there; undefined where there is none.
 */
export function readKeyText(request: {
  readonly headers: Readonly<Record<string, string>>;
  readonly query: string;
}): string | undefined {
  const { headers } = request;
  const texts = [headers["x-api-key"], headers.authorization, headers["api-key"], headers["x-goog-api-key"]]
    // A header that came twice arrives as one, joined.
    .flatMap((value) => value?.split(",") ?? [])
    .map((value) => value.trim().replace(/^bearer(\s+|$)/i, ""))
    .concat(new URLSearchParams(request.query).getAll("key"))
    .filter((text) => text !== "" && text.length <= mostCharacters);
  return texts.find((text) => text.startsWith(prefix)) ?? texts[0];
}

/** The query as sent, without the parameters that carry keys. */
export function queryWithoutKeys(query: string): string {
  if (query === "") return query;
  return query
    .split("&")
    .filter((parameter) => !keyParameters.has(nameOf(parameter)))
    .join("&");
}

function nameOf(parameter: string): string {
  const [name = ""] = parameter.split("=", 1);
  try {
    return decodeURIComponent(name.replaceAll("+", " ")).trim().toLowerCase();
  } catch {
    return name.toLowerCase();
  }
}
