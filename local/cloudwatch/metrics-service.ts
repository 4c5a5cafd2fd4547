// CloudWatch metrics over HTTP. Source: the CloudWatch API reference (JSON 1.0, `GraniteServiceVersion20100801.`,
// which is what @aws-sdk/client-cloudwatch 3.1162 sends; large PutMetricData bodies come compressed with gzip).
import { gunzipSync } from "node:zlib";
import { z } from "zod";
import { type JsonCall, jsonService } from "../gateway/json-service.ts";
import { parseInput } from "../gateway/parse-input.ts";
import {
  type LocalService,
  largestBufferedBodyBytes,
  type ServiceContext,
  ServiceError,
  type ServiceRequest,
} from "../gateway/service.ts";
import { statisticsOf } from "./embedded-metrics.ts";
import type { MetricData, MetricStore } from "./metric-store.ts";

const dimension = z.strictObject({ Name: z.string().min(1).max(255), Value: z.string().min(1).max(1024) });
const dimensions = z.array(dimension).max(30).default([]);
const namespace = z.string().regex(/^[^:].{0,254}$/, "1 to 255 characters, not starting with a colon");
const number = z
  .number()
  .min(-(2 ** 360))
  .max(2 ** 360);

const datum = z.strictObject({
  MetricName: z.string().min(1).max(255),
  Dimensions: dimensions,
  /** Seconds since 1970. */
  Timestamp: z.number().optional(),
  Value: number.optional(),
  Values: z.array(number).min(1).max(150).optional(),
  Counts: z.array(z.number().positive()).optional(),
  StatisticValues: z
    .strictObject({ SampleCount: z.number().positive(), Sum: number, Minimum: number, Maximum: number })
    .optional(),
  Unit: z.string().default("None"),
  StorageResolution: z.union([z.literal(1), z.literal(60)]).optional(),
});

const putMetricData = z.strictObject({ Namespace: namespace, MetricData: z.array(datum).min(1).max(1000) });

const getMetricStatistics = z.strictObject({
  Namespace: namespace,
  MetricName: z.string().min(1).max(255),
  Dimensions: dimensions,
  StartTime: z.number(),
  EndTime: z.number(),
  Period: z.int().min(60).multipleOf(60),
  Statistics: z
    .array(z.enum(["SampleCount", "Average", "Sum", "Minimum", "Maximum"]))
    .min(1)
    .max(5),
  Unit: z.string().optional(),
});

const listMetrics = z.strictObject({
  Namespace: namespace.optional(),
  MetricName: z.string().optional(),
  Dimensions: z
    .array(z.strictObject({ Name: z.string(), Value: z.string().optional() }))
    .max(10)
    .default([]),
  NextToken: z.string().optional(),
});

const mostDatapoints = 1440;
const listedPerPage = 500;
/** CloudWatch takes nothing older than two weeks or further ahead than two hours. */
const oldestMilliseconds = 14 * 86_400_000;
const furthestAheadMilliseconds = 2 * 3_600_000;

/** `take` keeps a datum and tells whoever listens. */
export function metricsService(
  context: ServiceContext,
  store: MetricStore,
  take: (data: MetricData) => void,
): LocalService {
  const service = jsonService({
    name: "monitoring",
    version: "1.0",
    targetPrefix: "GraniteServiceVersion20100801",
    operations: {
      PutMetricData(body, { principal }: JsonCall) {
        const input = parse(putMetricData, body);
        context.authorize(principal, "cloudwatch:PutMetricData", "*", { "cloudwatch:namespace": input.Namespace });
        if (input.Namespace.startsWith("AWS/")) throw invalid("The value AWS/ for parameter Namespace is invalid.");
        const now = context.clock.now();
        const data = input.MetricData.map((each) => dataOf(input.Namespace, each, now));
        for (const each of data) take(each);
        return {};
      },
      GetMetricStatistics(body, { principal }: JsonCall) {
        context.authorize(principal, "cloudwatch:GetMetricStatistics", "*");
        return statistics(parse(getMetricStatistics, body), store);
      },
      ListMetrics(body, { principal }: JsonCall) {
        context.authorize(principal, "cloudwatch:ListMetrics", "*");
        return list(parse(listMetrics, body), store);
      },
    },
    throttling: { status: 400, code: "Throttling" },
  });
  return { ...service, handle: async (request) => service.handle(unpacked(request)) };
}

function unpacked(request: ServiceRequest): ServiceRequest {
  if (request.headers["content-encoding"] !== "gzip") return request;
  return { ...request, bodyBytes: gunzipSync(request.bodyBytes, { maxOutputLength: largestBufferedBodyBytes }) };
}

function dataOf(inNamespace: string, given: z.output<typeof datum>, nowMilliseconds: number): MetricData {
  const timestampMilliseconds = given.Timestamp === undefined ? nowMilliseconds : given.Timestamp * 1000;
  const age = nowMilliseconds - timestampMilliseconds;
  if (age > oldestMilliseconds || age < -furthestAheadMilliseconds) {
    throw invalid(`The Timestamp of ${given.MetricName} must be within two weeks in the past and two hours ahead.`);
  }
  return {
    namespace: inNamespace,
    name: given.MetricName,
    dimensions: given.Dimensions,
    unit: given.Unit,
    timestampMilliseconds,
    ...samplesOf(given),
  };
}

function samplesOf(given: z.output<typeof datum>): ReturnType<typeof statisticsOf> {
  const { Value, Values, Counts, StatisticValues } = given;
  if ([Value, Values, StatisticValues].filter((way) => way !== undefined).length !== 1) {
    throw invalid(`${given.MetricName} needs exactly one of Value, Values and StatisticValues.`);
  }
  if (StatisticValues) {
    const { SampleCount, Sum, Minimum, Maximum } = StatisticValues;
    return { sampleCount: SampleCount, sum: Sum, minimum: Minimum, maximum: Maximum };
  }
  if (Counts && Counts.length !== Values?.length) throw invalid(`${given.MetricName} needs as many Counts as Values.`);
  const values = Values ?? (Value === undefined ? [] : [Value]);
  return statisticsOf(values.map((value, index) => ({ value, count: Counts?.[index] ?? 1 })));
}

function statistics(input: z.output<typeof getMetricStatistics>, store: MetricStore): object {
  if (input.EndTime <= input.StartTime) throw invalid("StartTime must be less than EndTime.");
  if ((input.EndTime - input.StartTime) / input.Period > mostDatapoints) {
    throw invalid(`You have requested more than the limit of ${mostDatapoints} datapoints.`);
  }
  const found = store.datapoints({
    namespace: input.Namespace,
    name: input.MetricName,
    dimensions: input.Dimensions,
    unit: input.Unit,
    startMilliseconds: input.StartTime * 1000,
    endMilliseconds: input.EndTime * 1000,
    periodMilliseconds: input.Period * 1000,
  });
  const datapoints = found.map((point) => {
    const all = {
      SampleCount: point.sampleCount,
      Average: point.sum / point.sampleCount,
      Sum: point.sum,
      Minimum: point.minimum,
      Maximum: point.maximum,
    };
    const asked = input.Statistics.map((statistic): [string, number] => [statistic, all[statistic]]);
    return { Timestamp: point.timestampMilliseconds / 1000, Unit: point.unit, ...Object.fromEntries(asked) };
  });
  return { Label: input.MetricName, Datapoints: datapoints };
}

function list(input: z.output<typeof listMetrics>, store: MetricStore): object {
  const wanted = store
    .names()
    .filter((metric) => input.Namespace === undefined || metric.namespace === input.Namespace)
    .filter((metric) => input.MetricName === undefined || metric.name === input.MetricName)
    .filter((metric) =>
      input.Dimensions.every(({ Name, Value }) =>
        metric.dimensions.some((each) => each.Name === Name && (Value === undefined || each.Value === Value)),
      ),
    );
  const start = Number(input.NextToken ?? 0);
  const end = start + listedPerPage;
  return {
    Metrics: wanted.slice(start, end).map((metric) => ({
      Namespace: metric.namespace,
      MetricName: metric.name,
      Dimensions: metric.dimensions,
    })),
    ...(end < wanted.length ? { NextToken: String(end) } : {}),
  };
}

function parse<Schema extends z.ZodType>(schema: Schema, body: unknown): z.infer<Schema> {
  return parseInput(schema, body, "InvalidParameterValueException");
}

function invalid(sentence: string): ServiceError {
  return new ServiceError(400, "InvalidParameterValueException", sentence);
}
