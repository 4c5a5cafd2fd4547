// Prices and what usage costs by them: integer nano-USD per million tokens, BigInt in between, rounded up once per request.
import * as z from "zod";
import { platforms } from "../platform.ts";

const perMillion = z
  .int("Give whole nano-USD per million tokens.")
  .min(0)
  .max(10 ** 15);

export const ratesSchema = z.strictObject({
  input: perMillion,
  output: perMillion,
  cacheWrite5m: perMillion,
  cacheWrite1h: perMillion,
  cacheRead: perMillion,
});

export const priceSchema = z.strictObject({
  platform: z.enum(platforms),
  /** Model name, `*` at its end matches dated versions; the longest match counts. */
  model: z.string().min(1).max(200),
  /** Budget family (`opus`, `sonnet`, `gpt-5` …). */
  family: z.string().regex(/^[a-z0-9.-]{0,40}$/),
  rates: ratesSchema,
  /** Rates of requests whose whole input is above so many tokens; null: none. */
  longContext: z.strictObject({ aboveInputTokens: z.int().min(1), rates: ratesSchema }).nullable(),
  /** nano-USD per request of a tool that the provider runs. */
  serverTools: z.record(z.string(), z.int().min(0)),
  /** Multiples of all rates for service tiers that a request may ask for (`priority`, `flex`, `fast` …); thousandths. */
  tiers: z.record(z.string().min(1).max(40), z.int().min(0).max(100_000)).default({}),
  contextWindowTokens: z.int().min(1),
  mostOutputTokens: z.int().min(1),
  /** Where the price was read, and when (YYYY-MM-DD). */
  source: z.string(),
  date: z.iso.date(),
  /** RFC 3339; counts from then on. */
  effectiveFrom: z.iso.datetime(),
});

export type Rates = z.output<typeof ratesSchema>;
export type Price = z.output<typeof priceSchema>;
