// The keys that the upstream issued, and the check of what a call brings: each vendor looks in its own places.
import { createHash } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import type { Platform, VendorError } from "./behaviour.ts";
import { errors } from "./vendor-errors.ts";

const prefixes: Readonly<Record<Platform, string>> = {
  anthropic: "sk-ant-api03-",
  openai: "sk-proj-",
  gemini: "AIzaSy",
};

/** Headers whose value is a credential, whoever's. */
const credentialHeaders = new Set([
  ...["authorization", "proxy-authorization", "x-api-key", "api-key", "x-goog-api-key", "cookie"],
]);

export class UpstreamKeys {
  /** Names by key, per platform. */
  readonly #names: Readonly<Record<Platform, Map<string, string>>> = {
    anthropic: new Map(),
    openai: new Map(),
    gemini: new Map(),
  };

  /** The same name has the same key always, so that an account outlives a restart of the upstream. It guards nothing. */
  issue(platform: Platform, name: string): string {
    const digest = createHash("sha256").update(`causeway upstream ${platform} ${name}`).digest("base64url");
    const key = prefixes[platform] + digest.replace(/[-_]/g, "x").slice(0, platform === "gemini" ? 33 : 43);
    this.#names[platform].set(key, name);
    return key;
  }

  revoke(platform: Platform, name: string): void {
    for (const [key, known] of this.#names[platform]) if (known === name) this.#names[platform].delete(key);
  }

  /** The key's name, or what the vendor says to a call without a good one. */
  check(platform: Platform, headers: IncomingHttpHeaders, query: string): string | VendorError {
    const found = keyIn(platform, headers, query);
    if (found === undefined) return missing[platform];
    return this.#names[platform].get(found.key) ?? wrong(platform, found);
  }
}

interface FoundKey {
  readonly key: string;
  readonly isBearer: boolean;
}

/** With both headers Anthropic uses x-api-key (facts/relay.md 2.1). */
function keyIn(platform: Platform, headers: IncomingHttpHeaders, query: string): FoundKey | undefined {
  const bearer = /^Bearer (\S+)$/i.exec(headers.authorization ?? "")?.[1];
  const own = {
    anthropic: headers["x-api-key"],
    openai: undefined,
    gemini: headers["x-goog-api-key"] ?? new URLSearchParams(query).get("key") ?? undefined,
  }[platform];
  if (typeof own === "string" && own !== "") return { key: own, isBearer: false };
  return bearer === undefined ? undefined : { key: bearer, isBearer: true };
}

const missing: Readonly<Record<Platform, VendorError>> = {
  anthropic: { status: 401, message: "x-api-key header is required" },
  openai: {
    status: 401,
    code: null,
    message:
      "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).",
  },
  gemini: {
    status: 403,
    message:
      "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or other form of API consumer identity to call this API.",
  },
};

function wrong(platform: Platform, { key, isBearer }: FoundKey): VendorError {
  if (platform === "anthropic")
    return { status: 401, message: isBearer ? "Invalid bearer token" : "invalid x-api-key" };
  if (platform === "gemini") return isBearer ? { status: 401 } : errors.invalidGeminiKey;
  // OpenAI repeats the key with its middle hidden; a relay must not pass that on.
  const masked = `${key.slice(0, 8)}${"*".repeat(Math.max(0, Math.min(key.length - 12, 60)))}${key.slice(-4)}`;
  const message = `Incorrect API key provided: ${masked}. You can find your API key at https://platform.openai.com/account/api-keys.`;
  return { status: 401, message };
}

/** `sha256:` and 16 hexadecimal digits. */
export function hashCredential(text: string): string {
  return `sha256:${createHash("sha256").update(text).digest("hex").slice(0, 16)}`;
}

/** Lower-case names; a credential's value is its hash, with `Bearer ` before it where it was there. */
export function headersWithoutCredentials(rawHeaders: readonly string[]): Record<string, string> {
  const headers: Record<string, string> = {};
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const name = (rawHeaders[index] ?? "").toLowerCase();
    const value = rawHeaders[index + 1] ?? "";
    const shown = credentialHeaders.has(name) ? hashedValue(value) : value;
    headers[name] = headers[name] === undefined ? shown : `${headers[name]}, ${shown}`;
  }
  return headers;
}

export function queryWithoutCredentials(query: string): string {
  return query.replace(
    /(^|&)key=([^&]*)/g,
    (_whole, before: string, key: string) => `${before}key=${hashCredential(key)}`,
  );
}

function hashedValue(value: string): string {
  const bearer = /^Bearer (.*)$/i.exec(value)?.[1];
  return bearer === undefined ? hashCredential(value) : `Bearer ${hashCredential(bearer)}`;
}
