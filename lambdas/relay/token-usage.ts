// Token usage: what a request used, in one form for all providers. Counts never overlap, except where it is said.

export interface TokenUsage {
  /** Input that was neither read from a cache nor written to one. */
  readonly inputTokens: number;
  /** Input written to a cache that lives 5 minutes (also where the provider does not say how long). */
  readonly cacheWrite5mTokens: number;
  readonly cacheWrite1hTokens: number;
  readonly cacheReadTokens: number;
  /** All output that is billed, reasoning included. */
  readonly outputTokens: number;
  /** The part of the output that was reasoning, where the provider says so. */
  readonly reasoningTokens: number;
  /** Requests of tools that the provider runs itself, by name: `web_search`, `web_fetch`. */
  readonly serverTools: Readonly<Record<string, number>>;
  /**
   * Service tier in which the answer says that it was served, by the name that prices know; `standard` where that is the
   * listed price, whatever the vendor calls it. Absent: it says nothing.
   */
  readonly tier?: string;
}

/** Vendors' names of the tier whose prices are the listed ones (Groq's is `on_demand`). */
const standardNames: ReadonlySet<string> = new Set(["", "standard", "default", "standard_only", "on_demand", "auto"]);

export function isStandardTier(name: string): boolean {
  return standardNames.has(name);
}

export const noUsage: TokenUsage = {
  inputTokens: 0,
  cacheWrite5mTokens: 0,
  cacheWrite1hTokens: 0,
  cacheReadTokens: 0,
  outputTokens: 0,
  reasoningTokens: 0,
  serverTools: {},
};

/** All tokens of a request, as limits of tokens per minute count them. */
export function tokensOf(usage: TokenUsage): number {
  return (
    usage.inputTokens + usage.cacheWrite5mTokens + usage.cacheWrite1hTokens + usage.cacheReadTokens + usage.outputTokens
  );
}
