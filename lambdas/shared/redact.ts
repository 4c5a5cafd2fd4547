// Takes secrets out of texts that somebody else wrote: error messages of SDKs, pages of vendors, causes of causes.

/**
 * A signed link in a text (an SDK's error message, say) is as good as a key until it expires. It may be quoted from XML
 * (`&amp;`), from JSON (`\u0026`), or be part of another link (`%26`).
 */
const signedQuery =
  /((?:[?&;]|\\u0026|%3F|%26)(?:Signature|OSSAccessKeyId|X-Amz-[A-Za-z-]+|x-oss-[a-z-]+|security-?token)(?:=|\\u003d|%3D))[^&\s"'<>\\]+/gi;

/** A temporary key's token as a header, as in the canonical request that a refusal may quote. */
const tokenHeader = /(x-(?:acs|amz|oss)-security-token["']?\s*[:=]\s*["']?)[^\s"',]+/gi;

/** The address of a WeCom group robot: its key is all that protects it. */
const robotKey = /(\/cgi-bin\/webhook\/send(?:\?|%3F)(?:debug=\d&)?key(?:=|%3D))[^&\s"'<>\\]+/gi;

/** The text without what opens a door. Every error's message and every line of the log goes through it. */
export function redact(text: string): string {
  return text.replace(signedQuery, "$1(hidden)").replace(tokenHeader, "$1(hidden)").replace(robotKey, "$1(hidden)");
}
