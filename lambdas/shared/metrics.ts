// Metrics as Embedded Metric Format lines in the log: CloudWatch counts them, and no function needs a permission for it.
import { Metrics, MetricUnit } from "@aws-lambda-powertools/metrics";
import { lazy } from "./lazy.ts";

const metrics = lazy(() => new Metrics());

/** Writes the counts at once, under the function's name as dimension `service`. */
export function publishCounts(counts: Readonly<Record<string, number>>): void {
  for (const [name, count] of Object.entries(counts)) metrics().addMetric(name, MetricUnit.Count, count);
  metrics().publishStoredMetrics();
}
