// Anthropic's usage objects, as answers and events carry them, in the relay's form.
import { isStandardTier, type TokenUsage } from "../token-usage.ts";
import { countOf, type JsonObject, objectOf, objectsOf, textOf, tierNameOf } from "./json-values.ts";

/**
 * A later usage of the same message over an earlier one: counts are cumulative, and a field that is missing, null or zero
 * keeps what was said before (facts 2.1; compatible providers send zeros first and everything at the end, or the input
 * first and a zero for it at the end). But for the output: what stands first is a placeholder. So are the counts inside of
 * a field (`cache_creation`, whose hours are dearer): zeros there do not turn hours into minutes.
 */
export function mergeAnthropicUsage(earlier: JsonObject, later: JsonObject): JsonObject {
  const merged = saidIn(later).map(([name, value]) => {
    const [before, now] = [objectOf(earlier[name]), objectOf(value)];
    const both = before === undefined || now === undefined ? value : { ...before, ...Object.fromEntries(saidIn(now)) };
    return [name, both] as const;
  });
  return { ...earlier, ...Object.fromEntries(merged) };
}

/** Zeros may be texts, as all numbers of some servers are. */
function saidIn(usage: JsonObject): [string, unknown][] {
  return Object.entries(usage).filter(([name, value]) => {
    const isZero = value === 0 || value === "0";
    return value !== null && value !== undefined && (!isZero || name === "output_tokens");
  });
}

/**
 * `input_tokens` is without cached tokens, unlike the other vendors' counts. Of a message whose entries name compactions
 * and advisors, these are not in the sums above them (BetaIterationsUsage in the SDK) and are added.
 */
export function readAnthropicUsage(usage: JsonObject): TokenUsage {
  const extra = objectsOf(usage.iterations).filter(({ type }) => type === "compaction" || type === "advisor_message");
  const parts = [usage, ...extra].map(countsOf);
  const sum = (count: (part: Counts) => number) => parts.reduce((total, part) => total + count(part), 0);
  return {
    inputTokens: sum((part) => part.input),
    cacheWrite5mTokens: sum((part) => part.write5m),
    cacheWrite1hTokens: sum((part) => part.write1h),
    cacheReadTokens: sum((part) => part.read),
    outputTokens: sum((part) => part.output),
    reasoningTokens: countOf(objectOf(usage.output_tokens_details)?.thinking_tokens),
    serverTools: serverToolsOf(usage),
    ...servedTierOf(usage),
  };
}

/** Where inference is not kept in one region. */
const anywhere: ReadonlySet<string> = new Set(["global", "not_available"]);

/**
 * As the demand names what is asked for: `fast`, `geo-us`, both. The tier alone says nothing of the speed: gateways tell
 * `standard` and leave the rest out.
 */
function servedTierOf(usage: JsonObject): { readonly tier?: string } {
  const [tier, speed, geo] = [usage.service_tier, usage.speed, usage.inference_geo].map((name) => tierNameOf(name));
  const dearer = [tier, speed].flatMap((name) => (name === undefined || isStandardTier(name) ? [] : [name]));
  if (geo !== undefined && !anywhere.has(geo)) dearer.push(`geo-${geo}`);
  if (dearer.length > 0) return { tier: dearer.join("+") };
  return speed === undefined ? {} : { tier: "standard" };
}

interface Counts {
  readonly input: number;
  readonly write5m: number;
  readonly write1h: number;
  readonly read: number;
  readonly output: number;
}

function countsOf(usage: JsonObject): Counts {
  const written = countOf(usage.cache_creation_input_tokens);
  const split = objectOf(usage.cache_creation);
  const write1h = countOf(split?.ephemeral_1h_input_tokens);
  const named5m = countOf(split?.ephemeral_5m_input_tokens);
  return {
    input: countOf(usage.input_tokens),
    // What the split does not name was written for 5 minutes; the split may also be missing whole, or tell more.
    write5m: Math.max(named5m, written - write1h),
    write1h,
    read: countOf(usage.cache_read_input_tokens),
    output: countOf(usage.output_tokens),
  };
}

/** More are no vendor's. */
const mostServerTools = 50;

/** `web_search_requests: 2` → `web_search: 2`. */
function serverToolsOf(usage: JsonObject): Record<string, number> {
  const counts = Object.entries(objectOf(usage.server_tool_use) ?? {}).flatMap(([name, value]) => {
    const [, tool] = /^(\w{1,60})_requests$/.exec(name) ?? [];
    const count = countOf(value);
    return textOf(tool) === undefined || count === 0 ? [] : [[tool, count]];
  });
  return Object.fromEntries(counts.slice(0, mostServerTools));
}
