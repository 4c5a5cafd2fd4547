// CloudWatch metrics and logs under the official clients.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  CloudWatchClient,
  GetMetricDataCommand,
  GetMetricStatisticsCommand,
  ListMetricsCommand,
  PutMetricDataCommand,
  type PutMetricDataCommandInput,
} from "@aws-sdk/client-cloudwatch";
import {
  CloudWatchLogsClient,
  CreateLogStreamCommand,
  DescribeLogGroupsCommand,
  FilterLogEventsCommand,
  type FilterLogEventsCommandInput,
  PutLogEventsCommand,
} from "@aws-sdk/client-cloudwatch-logs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type CloudWatchService, createCloudWatchService } from "../../../local/cloudwatch/cloudwatch.ts";
import type { MetricData } from "../../../local/cloudwatch/metric-store.ts";
import type { LocalService } from "../../../local/gateway/service.ts";
import { accountId, region, type ServiceRig, startServiceRig } from "../service-rig.ts";

const noon = Date.parse("2026-11-20T12:00:00Z");
const group = "/aws/lambda/copy-parts";

let rig: ServiceRig<{ metrics: LocalService; logs: LocalService }>;
let cloudwatch: CloudWatchService;
let seen: MetricData[];
let lines: string[];
let metrics: CloudWatchClient;
let logs: CloudWatchLogsClient;

beforeEach(async () => {
  [seen, lines] = [[], []];
  rig = await startServiceRig(
    (context) => {
      cloudwatch = createCloudWatchService(context, {
        onMetric: (data) => seen.push(data),
        logFile: join(context.stateDirectory, "lines.log"),
        onLogLine: (groupName, line) => lines.push(`${groupName}: ${line}`),
      });
      return { metrics: cloudwatch.metrics, logs: cloudwatch.logs };
    },
    { startAtMilliseconds: noon },
  );
  metrics = new CloudWatchClient(rig.clientSettings());
  logs = new CloudWatchLogsClient(rig.clientSettings());
});
afterEach(async () => {
  metrics.destroy();
  logs.destroy();
  expect(rig.defects).toEqual([]);
  await rig.close();
});

const put = (MetricData: PutMetricDataCommandInput["MetricData"], Namespace = "Causeway") =>
  metrics.send(new PutMetricDataCommand({ Namespace, MetricData }));
const statistics = (others: object = {}) =>
  metrics.send(
    new GetMetricStatisticsCommand({
      Namespace: "Causeway",
      MetricName: "Bytes",
      StartTime: new Date(noon),
      EndTime: new Date(noon + 10 * 60_000),
      Period: 300,
      Statistics: ["SampleCount", "Average", "Sum", "Minimum", "Maximum"],
      ...others,
    }),
  );

describe("metrics", () => {
  test("values, counted values and statistics are folded per period, and survive a restart", async () => {
    const at = (minutes: number) => new Date(noon + minutes * 60_000);
    await put([
      { MetricName: "Bytes", Value: 10, Unit: "Bytes", Timestamp: at(0) },
      { MetricName: "Bytes", Values: [1, 2], Counts: [3, 1], Unit: "Bytes", Timestamp: at(4) },
      {
        MetricName: "Bytes",
        StatisticValues: { SampleCount: 2, Sum: 8, Minimum: 3, Maximum: 5 },
        Unit: "Bytes",
        Timestamp: at(5),
      },
      { MetricName: "Bytes", Value: 99, Unit: "Bytes", Dimensions: [{ Name: "stage", Value: "dev" }] },
    ]);
    await rig.restart();
    metrics = new CloudWatchClient(rig.clientSettings());
    expect((await statistics()).Datapoints).toEqual([
      { Timestamp: at(0), Unit: "Bytes", SampleCount: 5, Average: 3, Sum: 15, Minimum: 1, Maximum: 10 },
      { Timestamp: at(5), Unit: "Bytes", SampleCount: 2, Average: 4, Sum: 8, Minimum: 3, Maximum: 5 },
    ]);
    expect((await statistics({ Unit: "Count" })).Datapoints).toEqual([]);
    expect(seen).toHaveLength(4);
  });

  test("a large request comes compressed and is understood", async () => {
    const many = Array.from({ length: 500 }, (_, index) => ({
      MetricName: `metric-${index}-${"x".repeat(50)}`,
      Value: index,
    }));
    await put(many);
    expect(seen).toHaveLength(500);
  });

  test("are listed by name and dimension", async () => {
    const Dimensions = [
      { Name: "stage", Value: "dev" },
      { Name: "engine", Value: "mysql" },
    ];
    await put([
      { MetricName: "Bytes", Value: 1, Dimensions },
      { MetricName: "Parts", Value: 1 },
    ]);
    await put([{ MetricName: "Bytes", Value: 1, Dimensions: [...Dimensions].reverse() }]);
    const { Metrics } = await metrics.send(
      new ListMetricsCommand({ Namespace: "Causeway", Dimensions: [{ Name: "stage" }] }),
    );
    expect(Metrics).toEqual([
      { Namespace: "Causeway", MetricName: "Bytes", Dimensions: [Dimensions[1], Dimensions[0]] },
    ]);
  });

  test("what CloudWatch would not take is refused, and what is not built too", async () => {
    const one = { MetricName: "m", Value: 1 };
    const refused = { name: "InvalidParameterValueException" };
    await expect(put([{ MetricName: "m" }])).rejects.toMatchObject(refused);
    await expect(put([{ ...one, Values: [1] }])).rejects.toThrow("exactly one");
    await expect(put([one], "AWS/S3")).rejects.toThrow("AWS/");
    await expect(put([{ ...one, Timestamp: new Date(noon - 15 * 86_400_000) }])).rejects.toThrow("two weeks");
    await expect(statistics({ Period: 30 })).rejects.toMatchObject(refused);
    await expect(statistics({ Period: 60, EndTime: new Date(noon + 86_400_000 * 2) })).rejects.toThrow("1440");
    const unknown = new GetMetricDataCommand({ MetricDataQueries: [], StartTime: new Date(), EndTime: new Date() });
    await expect(metrics.send(unknown)).rejects.toThrow("GetMetricData");
  });

  test("the namespace is a condition of the permission", async () => {
    await put([{ MetricName: "m", Value: 1 }]);
    expect(rig.authorized).toMatchObject([
      { action: "cloudwatch:PutMetricData", resource: "*", conditions: { "cloudwatch:namespace": "Causeway" } },
    ]);
    rig.denied.add("cloudwatch:PutMetricData");
    await expect(put([{ MetricName: "m", Value: 1 }])).rejects.toThrow("may not cloudwatch:PutMetricData");
  });
});

describe("logs", () => {
  const filter = async (others: Partial<FilterLogEventsCommandInput> = {}) => {
    const { events, nextToken } = await logs.send(new FilterLogEventsCommand({ logGroupName: group, ...others }));
    return { messages: events?.map(({ message }) => message), nextToken };
  };

  test("a function's lines are kept, written to the file and told to whoever listens", async () => {
    cloudwatch.ingestLogLine("copy-parts", "part 1 done");
    cloudwatch.ingestLogLine("copy-parts", "part 2 done", "/causeway/own-group");
    expect((await filter()).messages).toEqual(["part 1 done"]);
    expect((await filter({ logGroupName: "/causeway/own-group" })).messages).toEqual(["part 2 done"]);
    const written = readFileSync(join(rig.context.stateDirectory, "lines.log"), "utf8");
    expect(written).toMatch(/^2026-11-20T12:00:0\d\.\d{3}Z \/aws\/lambda\/copy-parts part 1 done$/m);
    expect(lines).toEqual([`${group}: part 1 done`, "/causeway/own-group: part 2 done"]);
  });

  test("metrics embedded in a line are counted, with each set of dimensions", async () => {
    const line = {
      _aws: {
        Timestamp: noon,
        CloudWatchMetrics: [
          {
            Namespace: "Causeway",
            Dimensions: [["service"], ["service", "stage"]],
            Metrics: [{ Name: "Bytes", Unit: "Bytes" }, { Name: "Missing" }],
          },
        ],
      },
      service: "copy-parts",
      stage: "dev",
      Bytes: [5, 7],
    };
    cloudwatch.ingestLogLine("copy-parts", JSON.stringify(line));
    cloudwatch.ingestLogLine("copy-parts", '{"_aws": "something else"}');
    cloudwatch.ingestLogLine("copy-parts", '{"_aws"');
    expect(seen).toMatchObject([
      { namespace: "Causeway", name: "Bytes", sampleCount: 2, sum: 12, unit: "Bytes" },
      { dimensions: [{ Name: "service" }, { Name: "stage", Value: "dev" }] },
    ]);
    const found = await statistics({ Dimensions: [{ Name: "service", Value: "copy-parts" }], Statistics: ["Sum"] });
    expect(found.Datapoints).toMatchObject([{ Sum: 12 }]);
  });

  test("events are put into a stream and found by terms, time and page", async () => {
    cloudwatch.createLogGroup(group);
    const stream = { logGroupName: group, logStreamName: "s" };
    await logs.send(new CreateLogStreamCommand(stream));
    await expect(logs.send(new CreateLogStreamCommand(stream))).rejects.toMatchObject({
      name: "ResourceAlreadyExistsException",
    });
    const messages = ["ERROR one", "INFO two", "ERROR three timed out", "WARN four"];
    const logEvents = messages.map((message, index) => ({ timestamp: noon + index, message }));
    await logs.send(new PutLogEventsCommand({ ...stream, logEvents }));
    expect((await filter({ filterPattern: "ERROR" })).messages).toEqual(["ERROR one", "ERROR three timed out"]);
    expect((await filter({ filterPattern: 'ERROR -"timed out"' })).messages).toEqual(["ERROR one"]);
    expect((await filter({ filterPattern: "?INFO ?WARN" })).messages).toEqual(["INFO two", "WARN four"]);
    expect((await filter({ startTime: noon + 1, endTime: noon + 2 })).messages).toEqual(messages.slice(1, 3));
    expect((await filter({ logStreamNamePrefix: "t" })).messages).toEqual([]);
    const first = await filter({ limit: 3 });
    expect(first.messages).toEqual(messages.slice(0, 3));
    expect(await filter({ limit: 3, nextToken: first.nextToken })).toEqual({ messages: ["WARN four"] });
  });

  test("an event that a rule sends to a group is found in it", async () => {
    cloudwatch.createLogGroup("/causeway/events");
    const arn = `arn:aws:logs:${region}:${accountId}:log-group:/causeway/events:*`;
    cloudwatch.putEvent(arn, '{"detail":1}');
    const found = await logs.send(new FilterLogEventsCommand({ logGroupIdentifier: arn.slice(0, -2) }));
    expect(found.events).toMatchObject([{ message: '{"detail":1}', logStreamName: "events" }]);
    expect(() => cloudwatch.putEvent(arn.replace("events", "none"), "x")).toThrow("/causeway/none");
  });

  test("what does not exist or is not built is refused by name, and permission is asked on the stream", async () => {
    const logEvents = [{ timestamp: noon, message: "x" }];
    const event = new PutLogEventsCommand({ logGroupName: group, logStreamName: "s", logEvents });
    await expect(logs.send(event)).rejects.toMatchObject({ name: "ResourceNotFoundException" });
    expect(rig.authorized).toMatchObject([
      {
        action: "logs:PutLogEvents",
        resource: `arn:aws:logs:${region}:${accountId}:log-group:${group}:log-stream:s`,
      },
    ]);
    cloudwatch.createLogGroup(group);
    await expect(filter({ filterPattern: "{ $.level = ERROR }" })).rejects.toThrow("plain terms");
    await expect(logs.send(new DescribeLogGroupsCommand({}))).rejects.toThrow("DescribeLogGroups");
    rig.denied.add("logs:FilterLogEvents");
    await expect(filter()).rejects.toThrow("may not logs:FilterLogEvents");
  });
});
