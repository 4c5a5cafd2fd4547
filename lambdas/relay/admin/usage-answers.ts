// Usage and records of the relay as the API takes and shows them.
import * as z from "zod";
import { timeText } from "../../shared/route-fields.ts";
import { type Grouping, groupings } from "../counting/usage-query.ts";
import { usageRecordSchema } from "../counting/usage-record.ts";

const times = ["hour", "day", "month"] as const;
/** `key,model`. Arrives as a list; that no two are of time, and how long the range may be, the query itself says. */
function dimensions<const Known extends Grouping>(known: readonly Known[], most: number) {
  const cure = `Give ${most === 1 ? "one" : "one or two"} of ${known.join(", ")}${most === 1 ? "" : ", with a comma between them"}.`;
  return z
    .string()
    .max(40, cure)
    .transform((text, context): Known[] => {
      const names = text.split(",");
      const found = names.flatMap((name) => known.filter((each) => each === name));
      if (found.length === names.length && names.length <= most) return found;
      context.addIssue({ code: "custom", message: cure });
      return z.NEVER;
    })
    .optional()
    .describe(cure);
}

const window = {
  from: timeText().describe("Begin; counted by whole hours"),
  to: timeText().optional().describe("End, not part of it; left out: now"),
};

const named = (what: string) => z.string().min(1).max(200).optional().describe(`Only of this ${what}`);

export const usageQuery = z.strictObject({
  ...window,
  groupBy: dimensions(groupings, 2),
  keyId: named("key"),
  accountId: named("account"),
  model: named("model"),
});

/** The key is the caller's own, and accounts are none of a key holder's business. */
export const ownUsageQuery = z.strictObject({
  ...window,
  groupBy: dimensions(["model", ...times], 1),
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
  serverToolRequests: count,
  chargedNanoUsd: count,
});

const figures = ownFigures.extend({
  realNanoUsd: count.describe("What the accounts' providers ask for it, by their lists"),
  overrunNanoUsd: count.describe("Charged beyond what was reserved"),
  milliseconds: count.describe("Sum"),
  firstByteMilliseconds: count.describe("Sum over the requests that `firstBytes` counts"),
  firstBytes: count,
});

const ownDimensions = { model: z.string(), hour: z.string(), day: z.string(), month: z.string() };
const dimensionValues = { key: z.string(), account: z.string(), provider: z.string(), platform: z.string() };

/** What was counted: whole hours. */
const answered = { from: z.string(), to: z.string() };

const isCut = z.boolean().describe("There are more groups than are given; the total is of all");

export const usage = z.object({
  ...answered,
  groupBy: z.array(z.enum(groupings)),
  rows: z.array(
    z
      .object({ ...dimensionValues, ...ownDimensions })
      .partial()
      .extend(figures.shape),
  ),
  total: figures,
  isCut,
});

export type Usage = z.output<typeof usage>;

export const ownUsage = z.object({
  ...answered,
  rows: z.array(z.object(ownDimensions).partial().extend(ownFigures.shape)),
  total: ownFigures,
  isCut,
});

/** Fields that a younger version wrote are left out instead of refused. */
export const usageRecord = z.object(usageRecordSchema.shape);

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

export const rebuildBegun = z.object({ from: z.string(), to: z.string() });

export const exportFormats = ["csv", "parquet"] as const;

export const exportBody = z.strictObject({
  from: timeText(),
  to: timeText(),
  format: z.enum(exportFormats, `Give one of ${exportFormats.join(", ")}.`).default("csv"),
});
