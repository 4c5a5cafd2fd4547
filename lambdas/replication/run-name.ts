// The name of a scheduled run.

/** `scheduled-20261120T031500Z`: allowed in an execution's name (no colon), the same for the same scheduled time. */
export function runNameOf(scheduledTime: string): string {
  const utc = new Date(Date.parse(scheduledTime)).toISOString().slice(0, 19);
  return `scheduled-${utc.replace(/[-:]/g, "")}Z`;
}
