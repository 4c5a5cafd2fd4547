// The effective settings of the stage, each with where it comes from: its default, the stage's file, the deployment, the API.
import * as z from "zod";
import type { ScheduleView } from "./change-schedule.ts";

/** What the stack wrote beside the function: every setting of the stage as it was at synthesis. */
export const stageConfigSchema = z.object({
  stage: z.string(),
  values: z.array(z.object({ path: z.string(), value: z.unknown(), source: z.string() })),
});

export interface ConfigValue {
  readonly path: string;
  readonly value: unknown;
  readonly source: string;
}

/** Settings hold no secrets; whoever puts one into a stage's file by mistake shall not find it published. */
const secretName = /secret|password|passwd|token|credential|webhook|private|accesskey|apikey/i;

export function listConfig(
  values: readonly ConfigValue[],
  parameters: Readonly<Record<string, string>>,
  schedules: readonly ScheduleView[],
): ConfigValue[] {
  const effective = values.map((item) => overridden(item, parameters));
  const changed = schedules.flatMap(({ name, wanted, enabled, expression, timeZone, isAsWanted }) => {
    const source = wanted !== undefined && isAsWanted ? "changed over the API" : "deployment";
    const settings = Object.entries({ enabled, expression, timeZone });
    return settings.map(([key, value]) => ({ path: `schedules.${name}.${key}`, value, source }));
  });
  return [...effective, ...changed].map(hideSecret);
}

function overridden(item: ConfigValue, parameters: Readonly<Record<string, string>>): ConfigValue {
  const value = parameters[item.path];
  return value === undefined || value === String(item.value) ? item : { ...item, value, source: "parameter" };
}

function hideSecret(item: ConfigValue): ConfigValue {
  const last = item.path.split(".").at(-1) ?? "";
  return secretName.test(last) ? { ...item, value: "(hidden)" } : item;
}
