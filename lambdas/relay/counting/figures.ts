// Figures: what is counted of requests, by key, account, provider, platform and model. They add up, in any order.
import { tokensOf } from "../token-usage.ts";
import type { UsageRecord } from "./usage-record.ts";

export const figureNames = [
  "requests",
  "refused",
  "failed",
  "inputTokens",
  "cacheWrite5mTokens",
  "cacheWrite1hTokens",
  "cacheReadTokens",
  "outputTokens",
  "reasoningTokens",
  "serverToolRequests",
  "chargedNanoUsd",
  "realNanoUsd",
  "overrunNanoUsd",
  /** Sum over all requests. */
  "milliseconds",
  /** Sum over the requests that had a first byte, which `firstBytes` counts. */
  "firstByteMilliseconds",
  "firstBytes",
] as const;

export type FigureName = (typeof figureNames)[number];
export type Figures = Readonly<Record<FigureName, number>>;

/** Whose figures they are. */
export interface RowKey {
  readonly keyId: string;
  readonly accountId: string;
  readonly provider: string;
  readonly platform: string;
  readonly model: string;
}

export const rowKeyNames = ["keyId", "accountId", "provider", "platform", "model"] as const;

export interface Row extends RowKey {
  readonly figures: Figures;
}

/**
 * Beyond these, models are counted as `(other)`. A holder of a key may ask for any name, but shall not make a row of each:
 * not of a key, whose figures alone it would blur, nor of an hour's lane, nor of what is summed up from lanes.
 */
const mostModelsPerKey = 100;
const mostRowsPerLane = 2000;
export const mostRowsPerUnit = 20_000;
export const otherName = "(other)";
/** As it stands in an item: DynamoDB takes sort keys of 1,024 bytes, and an upstream may call its model anything. */
const mostModelCharacters = 600;

export const noFigures: Figures = Object.fromEntries(figureNames.map((name) => [name, 0])) as Record<
  FigureName,
  number
>;

export function figuresOf({ usage, ...record }: UsageRecord): Figures {
  const first = record.firstByteMilliseconds;
  return {
    requests: 1,
    refused: record.outcome === "refused" ? 1 : 0,
    failed: record.outcome === "upstream-error" || record.outcome === "relay-error" ? 1 : 0,
    inputTokens: usage.inputTokens,
    cacheWrite5mTokens: usage.cacheWrite5mTokens,
    cacheWrite1hTokens: usage.cacheWrite1hTokens,
    cacheReadTokens: usage.cacheReadTokens,
    outputTokens: usage.outputTokens,
    reasoningTokens: usage.reasoningTokens,
    serverToolRequests: Object.values(usage.serverTools).reduce((sum, calls) => sum + calls, 0),
    chargedNanoUsd: record.chargedNanoUsd,
    realNanoUsd: record.realNanoUsd,
    overrunNanoUsd: record.overrunNanoUsd,
    milliseconds: record.milliseconds,
    firstByteMilliseconds: first ?? 0,
    firstBytes: first === null ? 0 : 1,
  };
}

export function addFigures(one: Figures, other: Figures): Figures {
  const sum: Record<string, number> = {};
  // A number that is no longer exact could not be written, and would keep its whole hour from being counted.
  for (const name of figureNames) sum[name] = Math.min(one[name] + other[name], Number.MAX_SAFE_INTEGER);
  return sum as Record<FigureName, number>;
}

/** What is left of a sum without a part of it. */
export function subtractFigures(sum: Figures, part: Figures): Figures {
  return Object.fromEntries(figureNames.map((name) => [name, sum[name] - part[name]])) as Record<FigureName, number>;
}

export function areSame(one: Figures, other: Figures): boolean {
  return figureNames.every((name) => one[name] === other[name]);
}

/** All tokens of requests, as limits of tokens per minute count them. */
export function tokensIn(figures: Figures): number {
  return tokensOf({ ...figures, serverTools: {} });
}

/** The sort key of a row: its five names, none of which can imitate another's. */
export function rowItemOf(key: RowKey): string {
  return rowKeyNames.map((name) => encodeURIComponent(key[name])).join("|");
}

/** How the sort keys of all rows of a key begin, and of no other's. */
export function rowPrefixOf(keyId: string): string {
  return `${encodeURIComponent(keyId)}|`;
}

/** The model that served it; of what never reached one, the model that was asked, where it is one that has a price. */
export function rowKeyOf(record: UsageRecord): RowKey {
  const { keyId, accountId, provider, platform } = record;
  const model = record.modelServed || (record.family === "" ? "" : record.modelAsked);
  const isWritable = encodeURIComponent(model).length <= mostModelCharacters;
  return { keyId, accountId, provider, platform, model: isWritable ? model : otherName };
}

/** Sums by row. Feed it records or rows in any order; only beyond the limits of models and rows does their order matter. */
export class RowSums {
  readonly #rows = new Map<string, Row>();
  readonly #models = new Map<string, Set<string>>();
  readonly #mostRows: number;

  constructor(mostRows = mostRowsPerLane) {
    this.#mostRows = mostRows;
  }

  addRecord(record: UsageRecord): void {
    this.addRow({ ...rowKeyOf(record), figures: figuresOf(record) });
  }

  addRow({ figures, ...key }: Row): void {
    const item = rowItemOf(key);
    const before = this.#rows.get(item);
    if (before !== undefined) this.#rows.set(item, { ...key, figures: addFigures(before.figures, figures) });
    else if (this.#hasRoomFor(key)) this.#rows.set(item, { ...key, figures });
    else this.addRow({ ...key, model: otherName, figures });
  }

  /** By their items. */
  get rows(): ReadonlyMap<string, Row> {
    return this.#rows;
  }

  #hasRoomFor({ keyId, model }: RowKey): boolean {
    if (model === otherName) return true;
    const models = this.#models.get(keyId) ?? new Set();
    if (this.#rows.size >= this.#mostRows || (models.size >= mostModelsPerKey && !models.has(model))) return false;
    this.#models.set(keyId, models.add(model));
    return true;
  }
}
