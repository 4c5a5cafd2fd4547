// An upstream account: what an operator says of it, and what its answers have said since. The credential is kept apart.
import * as z from "zod";
import { platforms } from "../platform.ts";

const name = z.string("Give a name.").trim().min(1, "Give a name.").max(100, "Give a shorter name.");
const modelName = z.string().min(1).max(200);

/** Public part of a proxy; user and password are part of the credential. */
export const proxySchema = z.strictObject({
  type: z.enum(["http", "https", "socks5"]),
  host: z.string().min(1).max(253),
  port: z.int().min(1).max(65_535),
});

/** What an operator sets. Defaults are what a new account should have. */
export const accountSettingsSchema = z.strictObject({
  name,
  provider: z.string().min(1).max(40),
  /** Public settings of the provider, checked against its own schema (`baseUrl` …). */
  settings: z.record(z.string(), z.unknown()).default({}),
  groups: z
    .array(z.string().regex(/^[a-z][a-z0-9-]{0,40}$/, 'Give lower-case names of letters, digits and "-".'))
    .max(20)
    .default([]),
  /** The lower, the earlier within a tier. */
  priority: z.int().min(0).max(1000).default(100),
  /** Share under weighted random. */
  weight: z.int().min(1).max(1000).default(100),
  schedulable: z.boolean().default(true),
  /** Only used when nothing else can serve. */
  standby: z.boolean().default(false),
  expiresAt: z.iso.datetime().nullable().default(null),
  /** Requests at once; slots lie in shards of at most 50. */
  concurrency: z.int().min(1).max(2000).default(100),
  /** Real cost per day (UTC), nano-USD; null: no limit. */
  dailyQuotaNanoUsd: z.int().min(1).nullable().default(null),
  /** Models it serves, wildcards allowed; empty: all of its platform. */
  models: z.array(modelName).max(200).default([]),
  /** Asked model → model sent upstream; the charge stays that of the model asked. */
  modelMapping: z.record(modelName, modelName).default({}),
  proxy: proxySchema.nullable().default(null),
});

export type AccountSettings = z.output<typeof accountSettingsSchema>;

/** What answers have said. Absent parts: nothing against it. Times are milliseconds since 1970. */
export const accountConditionSchema = z.object({
  state: z.enum(["healthy", "rate-limited", "overloaded", "unauthorised", "blocked", "failing", "quota-spent"]),
  since: z.number(),
  /** When it may be tried again; null: only a person or a probe brings it back. */
  until: z.number().nullable(),
  /** Failures in a row; pauses grow with it. */
  failures: z.number(),
  /**
   * The key whose doubtful failure was the last word. While there are failures the state rests on its word alone and holds
   * for it alone; after a success it is only remembered.
   */
  accusedBy: z.string().optional(),
});

export type AccountCondition = z.output<typeof accountConditionSchema>;

/** What the last test of the account showed. */
export const probeResultSchema = z.object({
  /** RFC 3339, UTC. */
  at: z.string(),
  ok: z.boolean(),
  /** HTTP status; null where no answer came. */
  status: z.number().nullable(),
  /** To the beginning of the answer. */
  milliseconds: z.number(),
  /** For people, at most 500 characters, no secret. */
  said: z.string(),
});

export type ProbeResult = z.output<typeof probeResultSchema>;

export const accountSchema = accountSettingsSchema.extend({
  accountId: z.string(),
  platform: z.enum(platforms),
  /** Counts changes of the settings. */
  version: z.number(),
  /** Counts changes of the credential; 0: there is none yet. */
  credentialVersion: z.number(),
  createdAt: z.string(),
  changedAt: z.string(),
  condition: accountConditionSchema,
  /** Limits of single model families, by family. */
  familyConditions: z.record(z.string(), accountConditionSchema),
  lastProbe: probeResultSchema.optional(),
  /** States that an event told of and that are not over, by family; the account's own under the empty name. */
  told: z.record(z.string(), z.string()).optional(),
});

export type Account = z.output<typeof accountSchema>;
