// The settings of a stage: one schema, read from stages/<stage>.json, with errors that name the field and the cure.
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import * as z from "zod";
import { alerts } from "./settings/alerts.ts";
import { console } from "./settings/console.ts";
import { host, text, wholeNumber, yesOrNo } from "./settings/fields.ts";
import { relay } from "./settings/relay.ts";
import { replication } from "./settings/replication.ts";

const stagesFolder = resolve(import.meta.dirname, "../stages");

/** CloudWatch Logs keeps records for one of these numbers of days, no other. */
const logRetentionDays = [1, 3, 5, 7, 14, 30, 60, 90, 120, 180, 365, 400, 731, 1096, 1827, 3653] as const;

const aliyun = z.strictObject({
  /** The Aliyun region whose backups are listed. */
  region: text(/^[a-z]{2,3}(-[a-z0-9]+)+$/, 'Give an Aliyun region id, such as "cn-hangzhou".'),
  /** Host, with a port where it is not the protocol's own; no scheme. */
  endpoint: host("rds.aliyuncs.com"),
  protocol: z.enum(["https", "http"], 'Give "https" (or "http", for a stand-in on your own machine).').default("https"),
  /** Empty: every instance of the region. */
  instanceIds: z
    .array(text(/^[a-z0-9-]{1,64}$/, 'Give an instance id, such as "rm-bp1xxxxxxxxxxxxxx".'))
    .max(1000, "Give at most 1000 instance ids, or none for all instances.")
    .default([]),
  /** Whether the backups that outlived their instance are copied too. */
  includeDeletedInstances: yesOrNo(true),
});

const retention = z.strictObject({
  /** Overwritten versions of backups and receipts are kept this long; current versions are kept for ever. */
  noncurrentBackupDays: wholeNumber(1, 3650, "days").default(90),
  logDays: z
    .literal(logRetentionDays, `Give a number of days that CloudWatch Logs knows: ${logRetentionDays.join(", ")}.`)
    .default(90),
});

const settings = z.strictObject({
  /** Absent: wherever the caller's credentials point. */
  account: text(/^\d{12}$/, "Give the 12 digits of an AWS account, as text.").optional(),
  region: text(/^[a-z]{2}(-[a-z]+)+-\d$/, 'Give an AWS region, such as "eu-central-1".').optional(),
  /** Tables, keys and buckets of a protected stage refuse to be deleted. */
  protectData: yesOrNo(true),
  aliyun,
  replication,
  relay: relay.prefault({}),
  alerts: alerts.prefault({}),
  console: console.prefault({}),
  retention: retention.prefault({}),
  alarms: z
    .strictObject({ email: z.email('Give an e-mail address, such as "operations@example.com".').optional() })
    .default({}),
});

export type StageSettings = z.output<typeof settings> & { readonly stage: string };

/** A stage's settings are missing or wrong; the message is for people and complete. */
export class SettingsError extends Error {
  override readonly name = "SettingsError";
}

/** The stages that have a file, sorted. */
export function listStages(folder: string = stagesFolder): string[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith(".json"))
    .map((file) => file.slice(0, -".json".length))
    .sort();
}

/** Reads and checks stages/<stage>.json; throws SettingsError. */
export function readStageSettings(stage: string, folder: string = stagesFolder): StageSettings {
  const stages = listStages(folder);
  if (!/^[a-z][a-z0-9-]{0,19}$/.test(stage)) {
    throw new SettingsError(
      `"${stage}" cannot be a stage: give a lower-case name of at most 20 letters, digits and "-".`,
    );
  }
  if (!stages.includes(stage)) {
    throw new SettingsError(
      `There is no stage "${stage}": stages/${stage}.json does not exist. There are ${stages.join(", ")}. ` +
        "Copy one of them to make a new stage.",
    );
  }
  return parseStageSettings(stage, readFileSync(join(folder, `${stage}.json`), "utf8"));
}

/** Checks the text of a stage's file; throws SettingsError with one line for each thing that is wrong. */
export function parseStageSettings(stage: string, json: string): StageSettings {
  const file = `stages/${stage}.json`;
  let raw: unknown;
  try {
    raw = withoutNotes(JSON.parse(json));
  } catch (error) {
    throw new SettingsError(`${file} is not JSON: ${(error as Error).message}`, { cause: error });
  }
  const parsed = settings.safeParse(raw, { reportInput: true });
  if (parsed.success) return { ...parsed.data, stage };
  const complaints = parsed.error.issues.flatMap((issue) => describe(issue, raw));
  throw new SettingsError(complaints.map((complaint) => `${file}: ${complaint}`).join("\n"));
}

function describe(issue: z.core.$ZodIssue, raw: unknown): string[] {
  const path = issue.path.join(".");
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => `${[path, key].filter(Boolean).join(".")} is not a setting; see lib/config.ts.`);
  }
  const value = issue.path.reduce<unknown>((at, key) => (at as Record<PropertyKey, unknown> | undefined)?.[key], raw);
  if (value === undefined) {
    const cure = issue.code === "invalid_type" && issue.expected === "object" ? "Give this group." : issue.message;
    return [`${path || "the file"} is missing. ${cure}`];
  }
  return [`${path || "the file"} is ${JSON.stringify(value)}. ${issue.message}`];
}

/** JSON has no comments: a key "//" in any object holds a note for people. */
function withoutNotes(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNotes);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).filter(([key]) => key !== "//");
  return Object.fromEntries(entries.map(([key, inner]) => [key, withoutNotes(inner)]));
}
