// The environment of each entry of this room, as schemas. lib/ sees their types, so that a forgotten variable does not compile.
import * as z from "zod";

const name = z.string().min(1);
/** Names, separated by commas; none where it is empty. */
const names = z.string().transform((text) => text.split(",").filter((item) => item !== ""));

const jobs = { JOBS_TABLE: name };
const schedules = { SCHEDULES_TABLE: name, SCHEDULE_NAMES: names };
const audit = { AUDIT_TABLE: name };
const idempotency = { IDEMPOTENCY_TABLE: name };

/** JSON: the settings that are parameters of a deployment, by their path. */
const parameterValues = z.string().transform((text, context) => {
  const parsed = z.record(z.string(), z.string()).safeParse(parseJson(text));
  if (parsed.success) return parsed.data;
  context.addIssue({ code: "custom", message: "must be a JSON object of texts" });
  return z.NEVER;
});

export const answerRequestsEnvironment = z.object({
  ...jobs,
  ...schedules,
  ...audit,
  PARAMETER_VALUES: parameterValues,
});

export const changeJobsEnvironment = z.object({ ...jobs, ...audit, ...idempotency });

export const changeSchedulesEnvironment = z.object({ ...schedules, ...audit });

export const checkReadinessEnvironment = z.object({
  TABLE_NAMES: names,
  BUCKET_NAMES: names,
  EVENT_BUS_NAME: name,
  QUEUE_URLS: names,
  STATE_MACHINE_ARNS: names,
  SECRET_IDS: names,
  OPTIONAL_SECRET_IDS: names,
  ISSUER: name,
  /** Asked whether it answers at all. */
  ALIYUN_URL: name,
});

export const showMetricsEnvironment = z.object({
  ...jobs,
  COPIES_TABLE: name,
  EXPORTS_TABLE: name,
  MIRROR_TABLE: name,
  RELAY_TOTALS_TABLE: name,
  METRICS_TOKEN_SECRET_ID: name,
});

export const showDocsEnvironment = z.object({
  /** Base of the hosted sign-in pages, without a slash at the end. */
  SIGN_IN_URL: name,
  /** Of the app client that people use. */
  CLIENT_ID: name,
  VERSION: name,
});

export const authorizeRequestEnvironment = z.object({
  /** Of the user pool: what `iss` must be, and where the keys lie. */
  ISSUER: name,
  /** App clients whose tokens get their roles from the user's groups. */
  PEOPLE_CLIENT_IDS: names,
  /** App clients whose tokens get their roles from their scopes. */
  MACHINE_CLIENT_IDS: names,
});

export const closeJobEnvironment = z.object({ ...jobs });

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
