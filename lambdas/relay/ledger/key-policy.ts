// A key's policy: what its holder may do and spend. It stands in the ledger's item, so that a change counts at the next request.
import * as z from "zod";
import { platforms } from "../platform.ts";
import { isTimeZone } from "./zone-dates.ts";

/** 2^53 nano-USD are nine million dollars; limits stay well below, so that sums stay exact. */
const mostNanoUsd = 4_000_000 * 1_000_000_000;

const nanoUsd = z
  .int("Give whole nano-USD: a dollar is 1,000,000,000.")
  .min(0)
  .max(mostNanoUsd, "At most 4,000,000 dollars.");

/** Each is looked at for every list of limits. */
const mostFamilies = 20;

/** A policy is part of the item that every request writes, and DynamoDB charges a write by the whole item's size. */
const mostPolicyBytes = 6000;

const modelPattern = z.string().min(1).max(200);

/** nano-USD per window; null: no limit. */
const spendLimits = z.strictObject({
  day: nanoUsd.nullable().default(null),
  /** Weeks begin on Monday. */
  week: nanoUsd.nullable().default(null),
  month: nanoUsd.nullable().default(null),
  total: nanoUsd.nullable().default(null),
});

export const keyPolicySchema = z
  .strictObject({
    /** IANA name; days, weeks and months are those of this zone. */
    timeZone: z.string().max(60).refine(isTimeZone, 'Give an IANA time zone, such as "Asia/Shanghai".').default("UTC"),
    platforms: z
      .array(z.enum(platforms))
      .max(10)
      .default([...platforms]),
    /** Models the key may ask for, `*` matches any text; empty: all. */
    models: z.array(modelPattern).max(200).default([]),
    /** Addresses or CIDR ranges; empty: all. */
    addresses: z
      .array(
        z.union([z.ipv4(), z.ipv6(), z.cidrv4(), z.cidrv6()], "Give an IP address, or a range such as 10.0.0.0/8."),
      )
      .max(100)
      .default([]),
    /** An account or a group that alone serves the key; null: any account. */
    boundTo: z
      .discriminatedUnion("kind", [
        z.strictObject({ kind: z.literal("account"), accountId: z.string().min(1).max(60) }),
        z.strictObject({ kind: z.literal("group"), group: z.string().min(1).max(41) }),
      ])
      .nullable()
      .default(null),
    requestsPerMinute: z.int().min(1).max(100_000).nullable().default(null),
    tokensPerMinute: z.int().min(1).max(1_000_000_000).nullable().default(null),
    concurrency: z.int().min(1).max(100, "At most 100 streams of one key at once.").default(20),
    /** Instead of a refusal at the limit of concurrency: waits so long in a line of so many. 0: no waiting. */
    waiting: z
      .strictObject({ longestMilliseconds: z.int().min(0).max(60_000), most: z.int().min(0).max(100) })
      .default({ longestMilliseconds: 0, most: 0 }),
    spend: spendLimits.prefault({}),
    /** The same for a family of models, by its name in the price table (`opus` …). */
    familySpend: z
      .record(z.string().regex(/^[a-z0-9.-]{1,40}$/), spendLimits)
      .refine((families) => Object.keys(families).length <= mostFamilies, `Give at most ${mostFamilies} families.`)
      .default({}),
    /** Prepaid: the balance must cover every request, too. */
    prepaid: z.boolean().default(false),
    /** Charged cost = list price × this; thousandths. 1000: the list price. */
    multiplierThousandths: z.int().min(0).max(100_000).default(1000),
    /** How input is estimated before it is sent. */
    estimate: z.enum(["strict", "typical"]).default("strict"),
    /**
     * For a model without a price: reserve and charge this much per request, nano-USD; for a tool or a service tier without
     * one: this much on top of the model's cost. null: refuse it.
     */
    unknownPriceCeiling: nanoUsd.min(1).nullable().default(null),
  })
  .refine((policy) => Buffer.byteLength(JSON.stringify(policy)) <= mostPolicyBytes, {
    path: ["models"],
    message: `A policy holds at most ${mostPolicyBytes} bytes: give fewer or shorter models and addresses.`,
  });

export type KeyPolicy = z.output<typeof keyPolicySchema>;
