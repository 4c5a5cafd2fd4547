// Client keys as the API takes and shows them. A key's text is in one answer alone: the one to its creation or rotation.
import * as z from "zod";
import { keyPolicySchema } from "../ledger/key-policy.ts";

/** Keys that one request can make. */
export const mostKeysAtOnce = 50;

const mostTags = 20;
const longestOverlapHours = 30 * 24;

/** What a balance may be changed by at once: a million dollars. */
const mostTopUpNanoUsd = 1_000_000 * 1_000_000_000;

const keyName = z.string("Give a name.").trim().min(1, "Give a name.").max(100, "Give a name of at most 100 letters.");

const owner = z
  .string("Give a person or a team.")
  .trim()
  .max(200, "Give at most 200 letters.")
  .describe("Who uses it: a person, a team, a program");

const tag = z
  .string("Give a tag.")
  .trim()
  .regex(/^[^\s,]{1,50}$/u, "Give tags of 1 to 50 letters without spaces and commas.");

const tags = z.array(tag, "Give a list of tags.").max(mostTags, `Give at most ${mostTags} tags.`);

const expiry = z
  .discriminatedUnion(
    "kind",
    [
      z.strictObject({
        kind: z.literal("at"),
        at: z.iso
          .datetime({ offset: true, error: 'Give a time, such as "2026-12-31T00:00:00Z".' })
          .transform((text) => new Date(text).toISOString()),
      }),
      z.strictObject({
        kind: z.literal("after-first-use"),
        days: z.int("Give whole days.").min(1, "Give at least one day.").max(3650, "Give at most 3,650 days."),
      }),
    ],
    'Give {"kind": "at", "at": …}, {"kind": "after-first-use", "days": …}, or null.',
  )
  .nullable()
  .describe("Null: never. Counted from first use, it becomes a fixed time with the first request");

export type Expiry = z.output<typeof expiry>;

const shownExpiry = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("at"), at: z.string() }),
  z.object({ kind: z.literal("after-first-use"), days: z.int() }),
]);

const nanoUsd = z.int("Give whole nano-USD: a dollar is 1,000,000,000.");

const common = {
  owner: owner.default(""),
  tags: tags.default([]),
  expiry: expiry.default(null),
  policy: keyPolicySchema.prefault({}),
};

const balance = nanoUsd
  .min(0, "Give no less than 0.")
  .max(mostTopUpNanoUsd, "Give at most a million dollars.")
  .optional()
  .describe("Of a prepaid key: what it begins with");

/** Of a key that is not prepaid a balance limits nothing, and would look as if it did. */
function needsBalance(key: {
  readonly policy: { readonly prepaid: boolean };
  readonly balanceNanoUsd?: number | undefined;
}) {
  return key.policy.prepaid || (key.balanceNanoUsd ?? 0) === 0;
}
const needlessBalance = {
  path: ["balanceNanoUsd"],
  error: "Only a prepaid key needs a balance: set policy.prepaid to true, or leave the balance out.",
};

export const newKeyBody = z
  .strictObject({
    name: keyName,
    enabled: z.boolean("Give true or false.").default(true),
    ...common,
    balanceNanoUsd: balance,
  })
  .refine(needsBalance, needlessBalance);

export type NewKey = z.output<typeof newKeyBody>;

export const newKeysBody = z
  .strictObject({
    names: z
      .array(keyName, "Give a list of names.")
      .min(1, "Give at least one name.")
      .max(mostKeysAtOnce, `Give at most ${mostKeysAtOnce} names at once.`)
      .refine((names) => new Set(names).size === names.length, "Give each name once."),
    enabled: z.boolean("Give true or false.").default(true),
    ...common,
    balanceNanoUsd: balance,
  })
  .refine(needsBalance, needlessBalance);

/** A change replaces everything: what is left out is back at its default. */
export const changedKeyBody = z.strictObject({ name: keyName, ...common });

export type ChangedKey = z.output<typeof changedKeyBody>;

export const rotationBody = z.strictObject({
  overlapHours: z
    .number("Give hours.")
    .min(0, "Give no less than 0.")
    .max(longestOverlapHours, `Give at most ${longestOverlapHours} hours.`)
    .default(24)
    .describe("So long the text before is taken as well; 0 ends it at once"),
});

export const balanceKinds = ["top-up", "adjustment"] as const;

export const balanceBody = z
  .strictObject({
    kind: z.enum(balanceKinds, `Give one of ${balanceKinds.join(", ")}.`),
    nanoUsd: nanoUsd
      .min(-mostTopUpNanoUsd, "Take off at most a million dollars.")
      .max(mostTopUpNanoUsd, "Add at most a million dollars.")
      .refine((change) => change !== 0, "0 changes nothing."),
    note: z.string("Give a note.").trim().max(300, "Give at most 300 letters.").default(""),
  })
  .refine(({ kind, nanoUsd: change }) => kind === "adjustment" || change > 0, {
    path: ["nanoUsd"],
    message: "A top-up adds; take something off with an adjustment.",
  })
  .refine(({ kind, note }) => kind === "top-up" || note !== "", {
    path: ["note"],
    message: "Say why the balance is adjusted.",
  });

export const limitFigure = z.object({
  limit: z.enum(["spend", "requests-per-minute", "tokens-per-minute", "concurrency"]),
  window: z.enum(["minute", "day", "week", "month", "total"]).nullable(),
  /** Of a limit on one family of models. */
  family: z.string().nullable(),
  unit: z.enum(["nano-usd", "requests", "tokens", "streams"]),
  most: z.int(),
  used: z.int().describe("Charged and reserved"),
  left: z.int(),
  resetAt: z.string().nullable().describe("When the window ends; null: it never begins anew"),
});

export type LimitFigure = z.output<typeof limitFigure>;

export const keyStates = ["active", "disabled", "expired", "deleted"] as const;

const listedShape = {
  keyId: z.string(),
  /** `cwk_…` with its last four letters: what a holder recognises it by. */
  maskedKey: z.string(),
  name: z.string(),
  owner: z.string(),
  tags: z.array(z.string()),
  enabled: z.boolean(),
  createdAt: z.string(),
  deletedAt: z.string().nullable(),
};

export const listedKey = z.object(listedShape);

export type ListedKey = z.output<typeof listedKey>;

export const keyView = z.object({
  ...listedShape,
  state: z.enum(keyStates),
  changedAt: z.string(),
  version: z.int(),
  expiry: shownExpiry.nullable().describe("As it was given"),
  expiresAt: z.string().nullable().describe("The moment itself; null: never, or not before its first use"),
  policy: keyPolicySchema,
  balanceNanoUsd: z.int().nullable().describe("Null: the key is not prepaid"),
  streams: z.int().describe("Requests that are running"),
  limits: z.array(limitFigure),
  /** One; two while a rotation overlaps. */
  secrets: z.array(z.object({ endsAt: z.string().nullable() })),
});

export type KeyView = z.output<typeof keyView>;

const keyText = z
  .string()
  .describe(
    "The key itself, shown here alone; within a day, the same Idempotency-Key shows it again. It is stored nowhere",
  );

export const createdKey = keyView.extend({ key: keyText });

export const createdKeys = z.object({
  items: z.array(z.object({ keyId: z.string(), name: z.string(), key: keyText })),
});

export const rotatedKey = z.object({
  keyId: z.string(),
  key: keyText,
  formerEndsAt: z.string().describe("Until then the text before is taken as well"),
});

const balanceEntry = z.object({
  entryId: z.string(),
  at: z.string(),
  kind: z.enum(balanceKinds),
  nanoUsd: z.int(),
  note: z.string(),
  by: z.string(),
});

const balanceNow = z.int().describe("Now, what is reserved taken off");

export const changedBalance = balanceEntry.extend({ balanceNanoUsd: balanceNow });

export const balancePage = z.object({
  balanceNanoUsd: balanceNow.nullable(),
  items: z.array(balanceEntry),
  cursor: z.string().nullable(),
});

export const ownKeyView = z.object({
  keyId: z.string(),
  maskedKey: z.string(),
  name: z.string(),
  expiresAt: z.string().nullable(),
  daysFromFirstUse: z.int().nullable().describe("Not used yet: so many days begin with the first request"),
  timeZone: z.string().describe("Days, weeks and months of the limits are of this zone"),
  platforms: z.array(z.string()),
  models: z.array(z.string()).describe("Patterns; empty: all"),
  balanceNanoUsd: z.int().nullable(),
  streams: z.int(),
  limits: z.array(limitFigure),
});

export type OwnKeyView = z.output<typeof ownKeyView>;
