// Metrics as Embedded Metric Format lines in the log: CloudWatch counts them, and no function needs a permission for it.
import { Metrics, MetricUnit } from "@aws-lambda-powertools/metrics";
import { lazy } from "./lazy.ts";

const metrics = lazy(() => new Metrics());

/** Writes the counts at once, under the function's name as dimension `service`. */
export function publishCounts(counts: Readonly<Record<string, number>>): void {
  for (const [name, count] of Object.entries(counts)) metrics().addMetric(name, MetricUnit.Count, count);
  metrics().publishStoredMetrics();
}

/** Writes a line of its own form, which may carry metrics of its own (`_aws`): one write for a line and its metrics. */
export function publishLine(fields: Readonly<Record<string, unknown>>): void {
  // Lambda would wrap what goes through `console`, and CloudWatch would not find the metrics in it.
  process.stdout.write(`${JSON.stringify(fields)}\n`);
}
