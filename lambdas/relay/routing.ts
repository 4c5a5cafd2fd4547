// Routing: which protocol a request speaks, by its path and, where paths collide, by its headers; and its path in that protocol.
import { protocols } from "./protocols/index.ts";
import type { ClientRequest, Protocol } from "./protocols/protocol.ts";

export interface Routed {
  readonly protocol: Protocol;
  /** With the path as the protocol knows it: without prefix, with one version. */
  readonly request: ClientRequest;
}

type ProtocolName = keyof typeof protocols;

/** Prefixes that name the protocol; `/api` is the peer's (claude-relay-service) and decides nothing. */
const prefixes: readonly (readonly [RegExp, ProtocolName | undefined])[] = [
  [/^\/claude(?=\/|$)/, "anthropic"],
  [/^\/openai(?=\/|$)/, "openai"],
  [/^\/gemini(?=\/|$)/, "gemini"],
  [/^\/api(?=\/|$)/, undefined],
];

/** Paths that only one protocol has, by their beginning behind prefix and version. */
const beginnings: readonly (readonly [RegExp, ProtocolName])[] = [
  [/^\/$/, "anthropic"],
  [/^\/(hello|event_logging|messages|complete|skills|organizations)(\/|$)/, "anthropic"],
  [/^\/(model|inference-profiles|foundation-models|guardrail|async-invoke)(\/|$)/, "bedrock"],
  [
    /^\/(projects|publishers|cachedContents|tunedModels|corpora|fileSearchStores|interactions|upload|ws)(\/|$)/,
    "gemini",
  ],
  [/^\/models\/[^/]+:/, "gemini"],
  [
    /^\/(chat|responses|embeddings|completions|deployments|realtime|audio|images|videos|moderations|assistants|threads)(\/|$)/,
    "openai",
  ],
  [/^\/(conversations|containers|vector_stores|fine_tuning|evals|uploads|chatkit|backend-api)(\/|$)/, "openai"],
];

/** Never throws: what a protocol does not serve, it refuses itself, in its own words. `path` may have double slashes. */
export function routeRequest(asked: ClientRequest): Routed {
  const path = asked.path
    .replace(/\/{2,}/g, "/")
    .replace(/(?<=.)\/$/, "")
    // Gemini's method behind the model's name, as strict clients and proxies encode it.
    .replace(/%3a(?=(\w+Contents?|countTokens)$)/i, ":");
  const [prefix, named] = prefixes.find(([form]) => form.test(path)) ?? [undefined, undefined];
  const { version, rest } = splitWhole(prefix === undefined ? path : path.replace(prefix, "") || "/");
  const name = named ?? protocolOf(version, rest, asked);
  const request = { ...asked, path: pathIn(name, version, rest) };
  return { protocol: protocols[name], request };
}

interface Split {
  readonly version: string | undefined;
  readonly rest: string;
}

/** Whole addresses of an operation that people gave as the base URL: their client then appends another operation to it. */
const wholeAddress = new RegExp(
  "^/(?:(?:messages|chat/completions|responses)(?=/(?:v1/)?(?:messages|chat/completions|responses|embeddings|models)(?:/|$))" +
    "|models(?=/(?:v1(?:beta|alpha)?/)?models/[^/]+:))",
);

function splitWhole(path: string): Split {
  const split = splitVersion(path);
  if (!wholeAddress.test(split.rest)) return split;
  const appended = splitVersion(split.rest.replace(wholeAddress, ""));
  return { version: appended.version ?? split.version, rest: appended.rest };
}

/** Base URLs come with a version and without; whoever adds one to a base that has one asks for `/v1/v1/…`: the last counts. */
function splitVersion(path: string): Split {
  const [all = "", version] = /^(?:\/(v1|v1beta1?|v1alpha)(?=\/|$))+/.exec(path) ?? [];
  return { version, rest: path.slice(all.length) || "/" };
}

function protocolOf(version: string | undefined, rest: string, asked: ClientRequest): ProtocolName {
  if (/^\/v1internal/.test(rest)) return "gemini";
  const found = beginnings.find(([form]) => form.test(rest));
  if (found !== undefined) return found[1];
  return version === undefined || version === "v1" ? protocolByHeaders(asked) : "gemini";
}

/** The one table for paths that several protocols have, such as /v1/models; Azure is refused by OpenAI's protocol. */
function protocolByHeaders({ headers, query }: ClientRequest): ProtocolName {
  if (headers["anthropic-version"] !== undefined) return "anthropic";
  if (headers["x-goog-api-key"] !== undefined || /(^|&)key=/.test(query)) return "gemini";
  return "openai";
}

/** Anthropic's probes and Gemini's login have no version; Gemini's own is kept, and is v1beta where none was given. */
function pathIn(name: ProtocolName, version: string | undefined, rest: string): string {
  if (name === "bedrock" || rest === "/") return rest;
  if (name === "anthropic" && /^\/(api\/)?(hello|event_logging)(\/|$)/.test(rest)) return rest;
  if (name === "gemini") return /^\/(v1internal|upload|ws)/.test(rest) ? rest : `/${version ?? "v1beta"}${rest}`;
  return `/v1${rest}`;
}
