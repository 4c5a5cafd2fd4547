// EventBridge under the official client: buses, rules, deliveries, retries, dead letters, faults.
import { EventBridgeClient, ListRulesCommand, PutEventsCommand } from "@aws-sdk/client-eventbridge";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createEventBridgeService, type EventBridgeService } from "../../../local/eventbridge/eventbridge.ts";
import type { BootRule } from "../../../local/eventbridge/rule.ts";
import type { DeliveryOptions } from "../../../local/eventbridge/target.ts";
import type { CloudEvent } from "../../../local/gateway/ports.ts";
import { ServiceError } from "../../../local/gateway/service.ts";
import { accountId, operator, region, type ServiceRig, startServiceRig } from "../service-rig.ts";

const functionArn = `arn:aws:lambda:${region}:${accountId}:function:mirror`;
const workflowArn = `arn:aws:states:${region}:${accountId}:stateMachine:replicate`;
const queueArn = `arn:aws:sqs:${region}:${accountId}:events`;
const deadQueueArn = `arn:aws:sqs:${region}:${accountId}:dead`;
const ruleArn = `arn:aws:events:${region}:${accountId}:rule/rule`;
const roleArn = `arn:aws:iam::${accountId}:role/rule`;
const defaultBusArn = `arn:aws:events:${region}:${accountId}:event-bus/default`;

interface Sent {
  readonly to: string;
  readonly payload: string;
  readonly attributes?: Readonly<Record<string, string>> | undefined;
}

let rig: ServiceRig<{ events: EventBridgeService }>;
let client: EventBridgeClient;
let sent: Sent[];
let problems: string[];
let refusedByPolicy: Set<string>;

function options(): DeliveryOptions {
  return {
    ports: () => ({
      lambda: {
        accept: (to, payload) => sent.push({ to, payload }),
      },
      workflows: {
        startExecution({ stateMachineArn, input }) {
          sent.push({ to: stateMachineArn, payload: input });
          return { executionArn: "arn:execution" };
        },
      },
      queues: {
        sendMessage: (to, payload, attributes) => {
          sent.push({ to, payload, attributes });
        },
      },
    }),
    permissions: {
      assumeRole(arn, service, sourceArn) {
        if (arn === roleArn && service === "events.amazonaws.com" && sourceArn === ruleArn) return { ...operator, arn };
        throw new ServiceError(403, "AccessDenied", `${service} may not assume ${arn}`);
      },
      serviceMay: ({ service, action, resource, sourceArn }) =>
        !refusedByPolicy.has(resource) &&
        service === "events.amazonaws.com" &&
        action !== "" &&
        sourceArn.startsWith("arn:aws:events:"),
    },
    onProblem: (sentence) => problems.push(sentence),
  };
}

beforeEach(async () => {
  [sent, problems, refusedByPolicy] = [[], [], new Set()];
  // The clock skips idle waits, so that a day of retries takes no time.
  rig = await startServiceRig((context) => ({ events: createEventBridgeService(context, options()) }), {
    skipIdle: true,
  });
  client = new EventBridgeClient(rig.clientSettings());
});
afterEach(async () => {
  client.destroy();
  expect(rig.defects).toEqual([]);
  await rig.close();
});

const entry = (detail: object, others: object = {}) => ({
  Source: "causeway.test",
  DetailType: "BackupReplicated",
  Detail: JSON.stringify(detail),
  ...others,
});
const put = (...Entries: object[]) => client.send(new PutEventsCommand({ Entries }));
const ruleTo = (
  target: Partial<BootRule["targets"][number]> & { Arn: string },
  others: Partial<BootRule> = {},
): BootRule => ({
  name: "rule",
  eventPattern: { source: ["causeway.test"] },
  targets: [{ Id: "target", ...target }],
  ...others,
});
const sentDetails = () => sent.map(({ payload }) => (JSON.parse(payload) as CloudEvent).detail);

function publish(detail: Readonly<Record<string, unknown>>, busName?: string): void {
  const event: CloudEvent = {
    version: "0",
    id: String(detail.n),
    "detail-type": "Object Created",
    source: "causeway.test",
    account: accountId,
    time: "2026-11-20T12:00:00Z",
    region,
    resources: [],
    detail,
  };
  rig.services.events.publish(event, busName);
}

describe("PutEvents", () => {
  test("delivers what a rule matches, as EventBridge writes it, and nothing else", async () => {
    rig.services.events.putRule(
      ruleTo({ Arn: functionArn }, { eventPattern: '{"detail":{"size":[{"numeric":[">",5]}]}}' }),
    );
    rig.services.events.start();
    const answer = await put(
      entry({ size: 6 }, { Resources: ["arn:x"], Time: new Date("2026-11-20T12:00:00Z") }),
      entry({ size: 5 }),
    );
    expect(answer).toMatchObject({ FailedEntryCount: 0, Entries: [{ EventId: expect.any(String) }, {}] });
    await rig.services.events.settled();
    expect(sent.map(({ payload }) => JSON.parse(payload))).toEqual([
      {
        version: "0",
        id: answer.Entries?.[0]?.EventId,
        "detail-type": "BackupReplicated",
        source: "causeway.test",
        account: accountId,
        time: "2026-11-20T12:00:00Z",
        region,
        resources: ["arn:x"],
        detail: { size: 6 },
      },
    ]);
    expect(rig.authorized[0]).toMatchObject({ action: "events:PutEvents", resource: defaultBusArn });
  });

  test("refuses bad entries one by one, with AWS's codes, and takes the good ones", async () => {
    const answer = await put(
      entry({}),
      entry({}, { Source: "aws.s3" }),
      entry({}, { Detail: "[1]" }),
      entry({}, { DetailType: "" }),
    );
    expect(answer.FailedEntryCount).toBe(3);
    expect(answer.Entries?.map(({ ErrorCode }) => ErrorCode)).toEqual([
      undefined,
      "NotAuthorizedForSourceException",
      "MalformedDetail",
      "InvalidArgument",
    ]);
  });

  test("refuses a request that is too large, too long, or not allowed, and other operations by name", async () => {
    await expect(put(entry({ text: "x".repeat(262_144) }))).rejects.toThrow("over the limit");
    await expect(put(...Array.from({ length: 11 }, () => entry({})))).rejects.toThrow("Entries");
    await expect(client.send(new ListRulesCommand({}))).rejects.toThrow("ListRules");
    rig.denied.add("events:PutEvents");
    await expect(put(entry({}))).rejects.toThrow("may not events:PutEvents");
  });
});

describe("buses and targets", () => {
  test("each bus has its own rules, and a bus may be a target, but only once along the way", async () => {
    const { arn: busArn } = rig.services.events.createBus("audit");
    rig.services.events.putRule(ruleTo({ Arn: busArn }));
    rig.services.events.putRule(ruleTo({ Arn: queueArn }, { name: "audit", busName: "audit" }));
    rig.services.events.putRule(ruleTo({ Arn: defaultBusArn }, { name: "back", busName: busArn }));
    rig.services.events.start();
    await put(entry({ n: 1 }));
    await put(entry({ n: 2 }, { EventBusName: busArn }));
    await rig.services.events.settled();
    expect(sent.map(({ to }) => to)).toEqual([queueArn, queueArn]);
    expect(sentDetails().map(({ n }) => n)).toEqual([1, 2]);
  });

  test("an event for a bus that does not exist is taken and dropped, and the operator hears of it", async () => {
    expect((await put(entry({}, { EventBusName: "none" }))).FailedEntryCount).toBe(0);
    expect(problems).toEqual([expect.stringContaining("bus none, which does not exist")]);
  });

  test("a state machine is started with the role of the target, and not without its permission", async () => {
    rig.services.events.putRule(ruleTo({ Arn: workflowArn, RoleArn: roleArn, InputPath: "$.detail" }));
    rig.services.events.start();
    publish({ n: 1 });
    await rig.services.events.settled();
    expect(sent).toEqual([{ to: workflowArn, payload: '{"n":1}' }]);
    expect(rig.authorized).toMatchObject([
      { principalArn: roleArn, action: "states:StartExecution", resource: workflowArn },
    ]);
    rig.denied.add("states:StartExecution");
    publish({ n: 2 });
    await rig.services.events.settled();
    expect(sent).toHaveLength(1);
    expect(problems).toEqual([expect.stringContaining("AccessDenied")]);
  });

  test("a rule is refused for a target, an operator or a schedule that is not known here", () => {
    const { putRule } = rig.services.events;
    expect(() => putRule(ruleTo({ Arn: "arn:aws:kinesis:eu-central-1:1:stream/x" }))).toThrow("arn:aws:kinesis");
    expect(() => putRule(ruleTo({ Arn: workflowArn }))).toThrow("RoleArn is required");
    expect(() => putRule(ruleTo({ Arn: queueArn, EcsParameters: {} } as never))).toThrow("EcsParameters");
    expect(() => putRule({ name: "r", scheduleExpression: "at(2026-01-01T00:00:00)", targets: [] })).toThrow("rate");
    expect(() => putRule({ name: "r", targets: [] })).toThrow("needs an event pattern");
    expect(() => putRule(ruleTo({ Arn: queueArn }, { busName: "none" }))).toThrow("none does not exist");
  });
});

describe("retries and dead letters", () => {
  const deadLetter = { DeadLetterConfig: { Arn: deadQueueArn } };

  test("a throttled target is tried again, and its event becomes a dead letter after the last attempt", async () => {
    rig.services.events.putRule(
      ruleTo({ Arn: queueArn, Input: "1", ...deadLetter, RetryPolicy: { MaximumRetryAttempts: 3 } }),
    );
    rig.services.events.start();
    rig.faults.add({ service: "eventbridge", operation: "Deliver", times: 3, effect: { kind: "throttle" } });
    publish({ n: 1 });
    await rig.services.events.settled();
    expect(sent).toEqual([{ to: queueArn, payload: "1" }]);

    rig.faults.add({
      service: "eventbridge",
      operation: "Deliver",
      times: 4,
      effect: { kind: "error", status: 500, code: "Broken" },
    });
    publish({ n: 2 });
    await rig.services.events.settled();
    expect(sent.slice(1)).toEqual([
      {
        to: deadQueueArn,
        payload: expect.stringContaining('"n":2'),
        attributes: expect.objectContaining({
          RULE_ARN: ruleArn,
          TARGET_ARN: queueArn,
          ERROR_CODE: "Broken",
          RETRY_ATTEMPTS: "3",
          EXHAUSTED_RETRY_CONDITION: "MaximumRetryAttempts",
        }),
      },
    ]);
  });

  test("an event that grows too old is given up before its attempts are used up", async () => {
    rig.services.events.putRule(
      ruleTo({ Arn: queueArn, ...deadLetter, RetryPolicy: { MaximumEventAgeInSeconds: 60 } }),
    );
    rig.services.events.start();
    rig.faults.add({ service: "eventbridge", times: 1000, effect: { kind: "throttle" } });
    publish({ n: 1 });
    await rig.services.events.settled();
    expect(sent[0]?.attributes).toMatchObject({ EXHAUSTED_RETRY_CONDITION: "MaximumEventAgeInSeconds" });
  });

  test("a missing permission or target is not tried again", async () => {
    refusedByPolicy.add(queueArn);
    rig.services.events.putRule(ruleTo({ Arn: queueArn, ...deadLetter }));
    rig.services.events.start();
    publish({ n: 1 });
    await rig.services.events.settled();
    expect(sent).toMatchObject([
      { to: deadQueueArn, attributes: { ERROR_CODE: "NO_PERMISSIONS", RETRY_ATTEMPTS: "0" } },
    ]);
  });
});

describe("at least once", () => {
  test("what was taken before a restart is delivered after it", async () => {
    rig.services.events.putRule(ruleTo({ Arn: queueArn }));
    await put(entry({ n: 1 }));
    await rig.restart();
    expect(sent).toEqual([]);
    rig.services.events.start();
    await rig.services.events.settled();
    expect(sentDetails()).toEqual([{ n: 1 }]);
  });

  test("the rig makes an event come twice, and lets a later one overtake", async () => {
    rig.services.events.putRule(ruleTo({ Arn: queueArn }));
    rig.services.events.start();
    rig.faults.add({ service: "eventbridge", effect: { kind: "duplicate-event", deliveries: 3 } });
    publish({ n: 1 });
    await rig.services.events.settled();
    expect(sentDetails()).toEqual([{ n: 1 }, { n: 1 }, { n: 1 }]);
    sent.length = 0;
    rig.faults.add({ service: "eventbridge", effect: { kind: "reorder-event" } });
    publish({ n: 2 });
    publish({ n: 3 });
    await rig.services.events.settled();
    expect(sentDetails()).toEqual([{ n: 3 }, { n: 2 }]);
    sent.length = 0;
    rig.faults.add({ service: "eventbridge", effect: { kind: "reorder-event" } });
    publish({ n: 4 });
    await rig.services.events.settled();
    expect(sentDetails()).toEqual([{ n: 4 }]);
  });

  test("work done twice because the answer was lost is delivered twice", async () => {
    rig.services.events.putRule(ruleTo({ Arn: queueArn }));
    rig.services.events.start();
    rig.faults.add({ service: "eventbridge", effect: { kind: "fail-after-work" } });
    publish({ n: 1 });
    await rig.services.events.settled();
    expect(sentDetails()).toEqual([{ n: 1 }, { n: 1 }]);
  });
});

describe("scheduled rules", () => {
  test("send a scheduled event at each of their moments, until they are disabled", async () => {
    const rule: BootRule = {
      name: "tick",
      scheduleExpression: "rate(5 minutes)",
      targets: [{ Id: "q", Arn: queueArn }],
    };
    const before = rig.clock.now();
    const { arn } = rig.services.events.putRule(rule);
    rig.services.events.start();
    const after = rig.clock.now();
    rig.clock.advance(10 * 60_000);
    await expect.poll(() => sent.length).toBe(2);
    const [first] = sent.map(({ payload }) => JSON.parse(payload) as CloudEvent);
    expect(first).toMatchObject({
      source: "aws.events",
      "detail-type": "Scheduled Event",
      resources: [arn],
      detail: {},
    });
    // Events tell whole seconds.
    const firstAt = Date.parse(first?.time ?? "") - 5 * 60_000;
    expect(firstAt).toBeGreaterThan(before - 1000);
    expect(firstAt).toBeLessThanOrEqual(after);
    rig.services.events.putRule({ ...rule, state: "DISABLED" });
    rig.clock.advance(10 * 60_000);
    await rig.services.events.settled();
    expect(sent).toHaveLength(2);
  });
});
