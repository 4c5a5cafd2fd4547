// Usage and records of the relay as the API takes and shows them.
import * as z from "zod";
import { timeText } from "../../shared/route-fields.ts";
import { usageRecordSchema } from "../counting/usage-record.ts";

export const usageDimensions = ["key", "account", "model", "hour", "day", "month"] as const;

export type UsageDimension = (typeof usageDimensions)[number];

const mostDimensions = 2;
const dimensionsCure = `Give one or two of ${usageDimensions.join(", ")}, with a comma between them.`;

/** `key,model`. Arrives as a list. */
function dimensions<const Known extends readonly [UsageDimension, ...UsageDimension[]]>(known: Known, most: number) {
  const cure = most === mostDimensions ? dimensionsCure : `Give one of ${known.join(", ")}.`;
  return z
    .string()
    .max(40, cure)
    .transform((text, context): Known[number][] => {
      const names = text.split(",");
      const isKnown = (name: string): name is Known[number] => (known as readonly string[]).includes(name);
      const found = names.filter(isKnown);
      if (found.length === names.length && names.length <= most && new Set(names).size === names.length) return found;
      context.addIssue({ code: "custom", message: cure });
      return z.NEVER;
    });
}

const window = {
  from: timeText().describe("Begin; counted by whole hours"),
  to: timeText().optional().describe("End, not part of it; left out: now"),
};

const named = (what: string) => z.string().min(1).max(200).optional().describe(`Only of this ${what}`);

export const usageQuery = z.strictObject({
  ...window,
  groupBy: dimensions(usageDimensions, mostDimensions).optional().describe(dimensionsCure),
  keyId: named("key"),
  accountId: named("account"),
  model: named("model"),
});

/** The key is the caller's own, and accounts are none of a key holder's business. */
export const ownUsageQuery = z.strictObject({
  ...window,
  groupBy: dimensions(["model", "hour", "day", "month"], 1).optional(),
});

const count = z.int();

const ownFigures = z.object({
  requests: count,
  refused: count.describe("By the relay: limits, budgets, keys"),
  failed: count.describe("By an upstream, or by the relay itself"),
  inputTokens: count,
  cacheWrite5mTokens: count,
  cacheWrite1hTokens: count,
  cacheReadTokens: count,
  outputTokens: count,
  reasoningTokens: count.describe("Part of the output"),
  serverToolCalls: count,
  chargedNanoUsd: count,
});

const figures = ownFigures.extend({
  realNanoUsd: count.describe("What the accounts' providers ask for it, by their lists"),
  overrunNanoUsd: count.describe("Charged beyond what was reserved"),
  milliseconds: count.describe("Sum"),
  firstByteMilliseconds: count.describe("Sum over the requests that `firstBytes` counts"),
  firstBytes: count,
});

export type Figures = z.output<typeof figures>;

const ownDimensions = { model: z.string(), hour: z.string(), day: z.string(), month: z.string() };

const answered = { from: z.string(), to: z.string() };

export const usage = z.object({
  ...answered,
  groupBy: z.array(z.enum(usageDimensions)),
  rows: z.array(
    z
      .object({ key: z.string(), account: z.string(), ...ownDimensions })
      .partial()
      .extend(figures.shape),
  ),
  total: figures,
});

export type Usage = z.output<typeof usage>;

export const ownUsage = z.object({
  ...answered,
  rows: z.array(z.object(ownDimensions).partial().extend(ownFigures.shape)),
  total: ownFigures,
});

export const usageRecord = usageRecordSchema;

export const outcomes = usageRecordSchema.shape.outcome.options;

export const recordsFilter = {
  from: timeText().optional().describe("Requests from then on; left out: a day before the end"),
  to: timeText().optional().describe("Requests until then; left out: now"),
  keyId: named("key"),
  accountId: named("account"),
  model: named("model"),
  outcome: z.enum(outcomes, `Give one of ${outcomes.join(", ")}.`).optional(),
};

export const rebuildBody = z.strictObject({
  from: timeText(),
  to: timeText().describe("Not part of it; counted by whole hours"),
});

export const exportFormats = ["csv", "parquet"] as const;

export const exportBody = z.strictObject({
  from: timeText(),
  to: timeText(),
  format: z.enum(exportFormats, `Give one of ${exportFormats.join(", ")}.`).default("csv"),
});
