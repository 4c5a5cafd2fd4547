// Finds the price of a model: overrides over the reviewed table, the longest matching name, the latest that is in effect.
import { createHash } from "node:crypto";
import type { Platform } from "../platform.ts";
import type { Price } from "./price.ts";
import { priceTable } from "./price-table.ts";

export interface AskedPrice {
  readonly platform: Platform;
  readonly model: string;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** Undefined: nobody has said what this model costs; such a request is refused unless its key sets a ceiling. */
export function findPrice(overrides: readonly Price[], asked: AskedPrice): Price | undefined {
  return best(overrides, asked) ?? best(tableOf(asked.platform), asked);
}

/** Every price that a request could be charged by now, overrides first; for people to look at. */
export function effectivePrices(
  overrides: readonly Price[],
  now: number,
): { readonly price: Price; readonly origin: "override" | "table"; readonly version: string }[] {
  const current = (prices: readonly Price[]) =>
    prices.filter((price) => {
      const rivals = prices.filter(({ platform, model }) => platform === price.platform && model === price.model);
      return isInEffect(price, now) && rivals.every((rival) => !isInEffect(rival, now) || !isLater(rival, price));
    });
  return [
    ...current(overrides).map((price) => ({ price, origin: "override" as const, version: priceVersionOf(price) })),
    ...current(priceTable).map((price) => ({ price, origin: "table" as const, version: priceVersionOf(price) })),
  ];
}

const versions = new WeakMap<Price, string>();

/** Says which figures a record was charged by: name, day, and a digest of the figures themselves. */
export function priceVersionOf(price: Price): string {
  const known = versions.get(price);
  if (known !== undefined) return known;
  const { rates, longContext, serverTools, tiers } = price;
  const digest = createHash("sha256")
    .update(JSON.stringify([rates, longContext, serverTools, tiers], sorted))
    .digest("hex");
  const version = `${price.platform}/${price.model}@${price.effectiveFrom.slice(0, 10)}#${digest.slice(0, 8)}`;
  versions.set(price, version);
  return version;
}

/** An override comes back from DynamoDB with its members in another order, and is the same price. */
function sorted(_key: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1)));
}

const tables = new Map<Platform, readonly Price[]>();

function tableOf(platform: Platform): readonly Price[] {
  const known = tables.get(platform) ?? priceTable.filter((price) => price.platform === platform);
  tables.set(platform, known);
  return known;
}

function best(prices: readonly Price[], { platform, model, now }: AskedPrice): Price | undefined {
  let found: Price | undefined;
  for (const price of prices) {
    if (price.platform !== platform || !matches(price.model, model) || !isInEffect(price, now)) continue;
    if (found === undefined || isBetter(price, found)) found = price;
  }
  return found;
}

function matches(pattern: string, model: string): boolean {
  return pattern.endsWith("*") ? model.startsWith(pattern.slice(0, -1)) : pattern === model;
}

/** An exact name is longer than any pattern that matches it: the star does not count. */
function isBetter(price: Price, than: Price): boolean {
  const difference = weightOf(price.model) - weightOf(than.model);
  return difference === 0 ? isLater(price, than) : difference > 0;
}

function weightOf(pattern: string): number {
  return pattern.endsWith("*") ? pattern.length - 1 : pattern.length + 0.5;
}

function isInEffect(price: Price, now: number): boolean {
  return Date.parse(price.effectiveFrom) <= now;
}

function isLater(price: Price, than: Price): boolean {
  return Date.parse(price.effectiveFrom) > Date.parse(than.effectiveFrom);
}
