// Prices as they are in force, those that are to come, and their overrides by a name that an address can carry.
import { CausewayError } from "../../shared/errors.ts";
import { wrongInput } from "../../shared/wrong-input.ts";
import { effectivePrices, findPrice, priceVersionOf } from "../counting/find-price.ts";
import type { Price } from "../counting/price.ts";
import { type Platform, platforms } from "../platform.ts";
import type { PriceBody, ShownPrice } from "./price-answers.ts";

type OverrideName = Pick<Price, "platform" | "model" | "effectiveFrom">;

/** `model`: only what this one is charged by, on each platform that knows it. */
export function listPrices(overrides: readonly Price[], now: number, model?: string): ShownPrice[] {
  if (model !== undefined) {
    return platforms.flatMap((platform) => {
      const price = findPrice(overrides, { platform, model, now });
      return price === undefined ? [] : [shownPrice(price, overrides.includes(price), now)];
    });
  }
  const toCome = overrides.filter(({ effectiveFrom }) => Date.parse(effectiveFrom) > now);
  return [
    ...effectivePrices(overrides, now).map(({ price, origin }) => shownPrice(price, origin === "override", now)),
    ...toCome.map((price) => shownPrice(price, true, now)),
  ];
}

/** The override as it is kept. Throws `InputInvalid`. */
export function newOverride(body: PriceBody, now: number): Price {
  const { model, effectiveFrom = new Date(now).toISOString(), ...price } = body;
  if (!/^[^*#]+\*?$/.test(model)) {
    const problem = "Give a model's name; a * may stand at its end, for whatever follows.";
    throw wrongInput([{ field: "body.model", problem }]);
  }
  // In UTC a time of another zone may be of a year that no stored time can be of.
  if (!/^\d{4}-/.test(effectiveFrom)) {
    throw wrongInput([{ field: "body.effectiveFrom", problem: "Give a time of the years 0000 to 9999, in UTC." }]);
  }
  return { ...price, model, effectiveFrom };
}

export function shownPrice(price: Price, isOverride: boolean, now: number): ShownPrice {
  return {
    ...price,
    priceId: isOverride ? priceIdOf(price) : null,
    origin: isOverride ? "override" : "table",
    version: priceVersionOf(price),
    isInEffect: Date.parse(price.effectiveFrom) <= now,
  };
}

/** Model names hold slashes and stars; this is one segment of a path. */
function priceIdOf({ platform, model, effectiveFrom }: OverrideName): string {
  return Buffer.from(JSON.stringify([platform, model, effectiveFrom])).toString("base64url");
}

/** Throws `NotFound` for what is no such name. */
export function readPriceId(priceId: string): OverrideName {
  const isPlatform = (name: unknown): name is Platform => platforms.some((known) => known === name);
  try {
    const parts: unknown = JSON.parse(Buffer.from(priceId, "base64url").toString("utf8"));
    const [platform, model, effectiveFrom, ...rest]: unknown[] = Array.isArray(parts) ? parts : [];
    const isWhole = typeof model === "string" && typeof effectiveFrom === "string" && rest.length === 0;
    if (isPlatform(platform) && isWhole) return { platform, model, effectiveFrom };
  } catch {
    // Whatever it was, no override has this name.
  }
  throw new CausewayError("NotFound", "There is no such override; GET /api/relay/prices lists them.");
}
