// Upstream accounts, groups and providers as the API takes and shows them. A credential goes in and never comes out.
import * as z from "zod";
import { platforms } from "../platform.ts";
import { accountConditionSchema, accountSettingsSchema, probeResultSchema } from "../scheduling/account.ts";
import { groupSchema } from "../scheduling/group.ts";

/**
 * Checked against the provider's own schema, which GET /api/relay/providers shows. No name is judged here: what stands in the
 * place of one may be the key itself, and a schema's complaint would repeat it.
 */
const credential = z
  .record(z.string(), z.unknown(), "Give an object with the fields that the provider asks for.")
  .refine((fields) => Object.keys(fields).length <= 20, "Give at most 20 fields.")
  .describe("Written only: no answer shows it. GET /api/relay/providers says which fields a provider asks for");

export const newAccountBody = accountSettingsSchema.extend({ credential });

/** A change replaces everything but the credential, which is asked for anew where it would be sent somewhere else. */
export const changedAccountBody = accountSettingsSchema.extend({
  credential: credential.optional().describe("Needed where the change sends it to another address; else left out"),
});

export const credentialBody = z.strictObject({ credential });

const time = z.string().nullable();

const shownCondition = accountConditionSchema.pick({ state: true, failures: true }).extend({
  since: time,
  until: time.describe("When it is tried again; null: only a person, or a test that succeeds, brings it back"),
  accusedBy: z
    .string()
    .nullable()
    .describe("The key whose requests alone failed here, perhaps by their own doing: other keys are served as before"),
});

const load = z.object({
  streams: z.int().describe("Requests that are running"),
  answers: z.int().describe("Of the last minutes"),
  errors: z.int(),
  meanFirstByteMilliseconds: z.number().nullable(),
  spentTodayNanoUsd: z.int().describe("Real cost since midnight UTC"),
  lastAssignedAt: time,
});

export const accountView = accountSettingsSchema.extend({
  accountId: z.string(),
  platform: z.enum(platforms),
  version: z.int(),
  hasCredential: z.boolean(),
  createdAt: z.string(),
  changedAt: z.string(),
  /** Whether it is given requests now, and if not, why. */
  serving: z.object({ now: z.boolean(), reason: z.string().nullable() }),
  condition: shownCondition,
  familyConditions: z.record(z.string(), shownCondition).describe("Limits of single model families"),
  load,
  lastTest: probeResultSchema.nullable().describe("By hand or by schedule; null: it was never tested"),
});

export type AccountView = z.output<typeof accountView>;

export const accountError = z.object({
  firstAt: z.string(),
  lastAt: z.string(),
  count: z.int().describe("So many of the same kind within a minute"),
  state: z.string().describe("What the account was taken to be after it"),
  family: z.string().nullable(),
  until: time.describe("The end that the upstream stated"),
  said: z.string().describe("The last one in the upstream's own words, shortened, without secrets"),
});

export const testResult = z.object({
  accountId: z.string(),
  ok: z.boolean(),
  status: z.int().nullable().describe("HTTP status of the upstream; null: it was not reached"),
  said: z.string(),
  milliseconds: z.int(),
  state: z.string().describe("The account's state after the test"),
});

export const removedAccount = z.object({ accountId: z.string(), name: z.string() });

const jsonSchema = z.record(z.string(), z.unknown());

export const providerView = z.object({
  provider: z.string(),
  platform: z.enum(platforms),
  settings: jsonSchema.describe("JSON Schema of an account's `settings`"),
  credential: jsonSchema.describe("JSON Schema of its `credential`"),
});

export type ProviderView = z.output<typeof providerView>;

export const groupName = groupSchema.shape.group;

export const groupBody = groupSchema.omit({ group: true });

export const groupView = groupSchema.extend({
  accounts: z.array(z.object({ accountId: z.string(), name: z.string() })).describe("Accounts that are in it"),
});
