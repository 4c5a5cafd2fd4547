// Metrics that a function writes into its log (Powertools does) and CloudWatch picks out of it.
// Source: "Specification: Embedded metric format" in the CloudWatch guide.
import { z } from "zod";
import type { MetricData } from "./metric-store.ts";

const directive = z.object({
  Namespace: z.string().min(1),
  Dimensions: z.array(z.array(z.string()).max(30)),
  Metrics: z.array(z.object({ Name: z.string().min(1), Unit: z.string().optional() })).max(100),
});

const envelope = z.object({
  _aws: z.object({ Timestamp: z.number(), CloudWatchMetrics: z.array(directive) }),
});

/** No metrics for a line that is not of the format: it is a log line like any other. */
export function readEmbeddedMetrics(line: string): MetricData[] {
  if (!line.startsWith("{") || !line.includes('"_aws"')) return [];
  let root: unknown;
  try {
    root = JSON.parse(line);
  } catch {
    return [];
  }
  const parsed = envelope.safeParse(root);
  if (!parsed.success) return [];
  const { Timestamp, CloudWatchMetrics } = parsed.data._aws;
  const members = root as Readonly<Record<string, unknown>>;
  return CloudWatchMetrics.flatMap(({ Namespace, Dimensions, Metrics }) => {
    const sets = Dimensions.length > 0 ? Dimensions : [[]];
    return sets.flatMap((names) =>
      Metrics.flatMap((metric): MetricData[] => {
        const values = numbersOf(members[metric.Name]);
        if (values.length === 0 || !names.every((name) => typeof members[name] === "string")) return [];
        return [
          {
            namespace: Namespace,
            name: metric.Name,
            dimensions: names.map((Name) => ({ Name, Value: String(members[Name]) })),
            unit: metric.Unit ?? "None",
            timestampMilliseconds: Timestamp,
            ...statisticsOf(values.map((value) => ({ value, count: 1 }))),
          },
        ];
      }),
    );
  });
}

export function statisticsOf(
  samples: readonly { readonly value: number; readonly count: number }[],
): Pick<MetricData, "sampleCount" | "sum" | "minimum" | "maximum"> {
  const values = samples.map(({ value }) => value);
  return {
    sampleCount: samples.reduce((sum, { count }) => sum + count, 0),
    sum: samples.reduce((sum, { value, count }) => sum + value * count, 0),
    minimum: Math.min(...values),
    maximum: Math.max(...values),
  };
}

function numbersOf(value: unknown): number[] {
  const values: readonly unknown[] = Array.isArray(value) ? value : [value];
  return values.filter((each) => typeof each === "number");
}
