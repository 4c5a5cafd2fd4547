// The name of a scheduled run.

/**
 * `scheduled-20261120T031500Z`: allowed in an execution's name (no colon), the same for the same scheduled time.
 * `runsAs` tells the workflows apart: the name is also the job's id.
 */
export function runNameOf(scheduledTime: string, runsAs: string): string {
  const utc = new Date(Date.parse(scheduledTime)).toISOString().slice(0, 19);
  return `${runsAs}-${utc.replace(/[-:]/g, "")}Z`;
}
