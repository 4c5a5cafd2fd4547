// EventBridge Scheduler under the official client: due times, targets, retries, restarts.
import {
  CreateScheduleCommand,
  CreateScheduleGroupCommand,
  type CreateScheduleInput,
  DeleteScheduleCommand,
  DeleteScheduleGroupCommand,
  GetScheduleCommand,
  GetScheduleGroupCommand,
  ListScheduleGroupsCommand,
  ListSchedulesCommand,
  ListTagsForResourceCommand,
  SchedulerClient,
  UpdateScheduleCommand,
} from "@aws-sdk/client-scheduler";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ServiceError } from "../../../local/gateway/service.ts";
import { createSchedulerService, type SchedulerService } from "../../../local/scheduler/scheduler.ts";
import { accountId, operator, region, type ServiceRig, startServiceRig } from "../service-rig.ts";

const functionArn = `arn:aws:lambda:${region}:${accountId}:function:start-run`;
const workflowArn = `arn:aws:states:${region}:${accountId}:stateMachine:replicate`;
const deadQueueArn = `arn:aws:sqs:${region}:${accountId}:missed`;
const roleArn = `arn:aws:iam::${accountId}:role/schedule`;
const scheduleArn = (name: string) => `arn:aws:scheduler:${region}:${accountId}:schedule/default/${name}`;
const minute = 60_000;
const noon = Date.parse("2026-11-20T12:00:00Z");

interface Sent {
  readonly to: string;
  readonly payload: string;
  readonly attributes?: Readonly<Record<string, string>> | undefined;
}

let rig: ServiceRig<{ scheduler: SchedulerService }>;
let client: SchedulerClient;
let sent: Sent[];
let problems: string[];

beforeEach(async () => {
  [sent, problems] = [[], []];
  rig = await startServiceRig(
    (context) => ({
      scheduler: createSchedulerService(context, {
        ports: () => ({
          lambda: { accept: (to, payload) => sent.push({ to, payload }) },
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
            const isGroup = sourceArn === `arn:aws:scheduler:${region}:${accountId}:schedule-group/default`;
            if (arn === roleArn && service === "scheduler.amazonaws.com" && isGroup) return { ...operator, arn };
            throw new ServiceError(403, "AccessDenied", `${service} may not assume ${arn}`);
          },
          serviceMay: () => false,
        },
        onProblem: (sentence) => problems.push(sentence),
      }),
    }),
    { startAtMilliseconds: noon, skipIdle: true },
  );
  connect();
});
afterEach(async () => {
  client.destroy();
  expect(rig.defects).toEqual([]);
  await rig.close();
});

function connect(): void {
  client?.destroy();
  client = new SchedulerClient(rig.clientSettings());
}

const base: CreateScheduleInput = {
  Name: "nightly",
  ScheduleExpression: "cron(0 3 * * ? *)",
  FlexibleTimeWindow: { Mode: "OFF" },
  Target: { Arn: functionArn, RoleArn: roleArn },
};
const create = (others: Partial<CreateScheduleInput> = {}) =>
  client.send(new CreateScheduleCommand({ ...base, ...others }));
const withInput = (Input: string) => ({ Arn: functionArn, RoleArn: roleArn, Input });
const timeOnly = withInput('"<aws.scheduler.scheduled-time>"');
const sentTimes = () => sent.map(({ payload }) => JSON.parse(payload) as unknown);
const get = (Name: string) => client.send(new GetScheduleCommand({ Name }));

/** Lets what is due be noticed and delivered. */
async function advance(milliseconds: number): Promise<void> {
  rig.clock.advance(milliseconds);
  await rig.clock.sleep(1);
  await rig.services.scheduler.settled();
}

describe("schedules over HTTP", () => {
  test("what was created is described, changed and deleted", async () => {
    const start = new Date(noon + 24 * 60 * minute);
    const created = await create({
      Description: "every night",
      StartDate: start,
      ScheduleExpressionTimezone: "Europe/Berlin",
    });
    expect(created.ScheduleArn).toBe(scheduleArn("nightly"));
    expect(await get("nightly")).toMatchObject({
      Arn: scheduleArn("nightly"),
      GroupName: "default",
      Description: "every night",
      StartDate: start,
      ScheduleExpressionTimezone: "Europe/Berlin",
      State: "ENABLED",
      FlexibleTimeWindow: { Mode: "OFF" },
      Target: { Arn: functionArn, RoleArn: roleArn },
      ActionAfterCompletion: "NONE",
      CreationDate: expect.any(Date),
    });
    await client.send(new UpdateScheduleCommand({ ...base, ScheduleExpression: "rate(1 hour)", State: "DISABLED" }));
    const updated = await get("nightly");
    expect(updated).toMatchObject({
      ScheduleExpression: "rate(1 hour)",
      State: "DISABLED",
      ScheduleExpressionTimezone: "UTC",
    });
    expect(updated.Description).toBeUndefined();
    await client.send(new DeleteScheduleCommand({ Name: "nightly" }));
    await expect(get("nightly")).rejects.toMatchObject({ name: "ResourceNotFoundException" });
  });

  test("a name is taken once, but a retry with the same token is the same schedule", async () => {
    const first = await create({ ClientToken: "one" });
    expect(await create({ ClientToken: "one" })).toMatchObject({ ScheduleArn: first.ScheduleArn });
    await expect(create({ ClientToken: "two" })).rejects.toMatchObject({ name: "ConflictException" });
  });

  test("groups hold schedules, are listed page by page, and take them along when deleted", async () => {
    await client.send(new CreateScheduleGroupCommand({ Name: "stage" }));
    for (const Name of ["a1", "a2", "b1"]) await create({ Name, GroupName: "stage" });
    await create({ Name: "a1" });
    const names = async (question: object) => {
      const { Schedules, NextToken } = await client.send(new ListSchedulesCommand(question));
      return { names: Schedules?.map(({ GroupName, Name }) => `${GroupName}/${Name}`), NextToken };
    };
    const first = await names({ NamePrefix: "a", MaxResults: 2 });
    expect(first.names).toEqual(["default/a1", "stage/a1"]);
    expect(await names({ NamePrefix: "a", NextToken: first.NextToken })).toEqual({ names: ["stage/a2"] });
    expect((await names({ GroupName: "stage", State: "DISABLED" })).names).toEqual([]);
    expect((await client.send(new GetScheduleGroupCommand({ Name: "stage" }))).State).toBe("ACTIVE");
    await client.send(new DeleteScheduleGroupCommand({ Name: "stage" }));
    expect((await names({})).names).toEqual(["default/a1"]);
    const groups = await client.send(new ListScheduleGroupsCommand({}));
    expect(groups.ScheduleGroups?.map(({ Name }) => Name)).toEqual(["default"]);
  });

  test.each<[string, Partial<CreateScheduleInput>, string]>([
    ["a bad name", { Name: "a b" }, "Name"],
    ["an unknown expression", { ScheduleExpression: "daily" }, "daily"],
    ["a cron of five fields", { ScheduleExpression: "cron(0 3 * * *)" }, "six fields"],
    ["an unknown zone", { ScheduleExpressionTimezone: "Mars/Olympus" }, "Mars/Olympus"],
    ["a moment in the past", { ScheduleExpression: "at(2026-11-20T11:59:59)" }, "in the past"],
    ["an end before the start", { StartDate: new Date(noon + 2), EndDate: new Date(noon + 1) }, "EndDate"],
    [
      "a window that is too long",
      { FlexibleTimeWindow: { Mode: "FLEXIBLE", MaximumWindowInMinutes: 1441 } },
      "MaximumWindowInMinutes",
    ],
    [
      "too many retries",
      { Target: { Arn: functionArn, RoleArn: roleArn, RetryPolicy: { MaximumRetryAttempts: 186 } } },
      "MaximumRetryAttempts",
    ],
    [
      "an age that is too low",
      { Target: { Arn: functionArn, RoleArn: roleArn, RetryPolicy: { MaximumEventAgeInSeconds: 59 } } },
      "MaximumEventAgeInSeconds",
    ],
    ["an input that is not JSON", { Target: withInput("{") }, "not JSON"],
    [
      "a universal target",
      { Target: { Arn: "arn:aws:scheduler:::aws-sdk:sqs:sendMessage", RoleArn: roleArn } },
      "aws-sdk",
    ],
    [
      "parameters of other targets",
      { Target: { Arn: functionArn, RoleArn: roleArn, SqsParameters: { MessageGroupId: "1" } } },
      "SqsParameters",
    ],
    ["a group that does not exist", { GroupName: "none" }, "none does not exist"],
  ])("%s is refused, and the reason named", async (_name, others, sentence) => {
    await expect(create(others)).rejects.toThrow(sentence);
  });

  test("each call asks for its action on the schedule, and creating one to pass on the role too", async () => {
    await create();
    await expect(client.send(new ListTagsForResourceCommand({ ResourceArn: "x" }))).rejects.toThrow("does not know");
    expect(rig.authorized).toMatchObject([
      { action: "scheduler:CreateSchedule", resource: scheduleArn("nightly") },
      { action: "iam:PassRole", resource: roleArn, conditions: { "iam:PassedToService": "scheduler.amazonaws.com" } },
    ]);
    rig.denied.add("iam:PassRole");
    await expect(create({ Name: "other" })).rejects.toMatchObject({ name: "AccessDeniedException" });
    rig.denied.clear();
    rig.authorized.length = 0;
    await client.send(new UpdateScheduleCommand(base));
    expect(rig.authorized.map(({ action }) => action)).toEqual(["scheduler:UpdateSchedule", "iam:PassRole"]);
    rig.denied.add("iam:PassRole");
    const update = client.send(new UpdateScheduleCommand({ ...base, State: "DISABLED" }));
    await expect(update).rejects.toMatchObject({ name: "AccessDeniedException" });
    expect((await get("nightly")).State).toBe("ENABLED");
    await expect(client.send(new UpdateScheduleCommand({ ...base, Name: "none" }))).rejects.toThrow("PassRole");
  });
});

describe("firing", () => {
  test("the words of Scheduler in the input are replaced", async () => {
    const words = ["schedule-arn", "scheduled-time", "execution-id", "attempt-number"];
    await create({ Target: withInput(JSON.stringify(words.map((word) => `<aws.scheduler.${word}>`))) });
    rig.services.scheduler.start();
    rig.faults.add({ service: "scheduler", operation: "Deliver", effect: { kind: "throttle" } });
    await advance(15 * 60 * minute);
    expect(sent.map(({ to }) => to)).toEqual([functionArn]);
    expect(sentTimes()[0]).toEqual([
      scheduleArn("nightly"),
      "2026-11-21T03:00:00Z",
      expect.stringMatching(/^[0-9a-f]{16}$/),
      "2",
    ]);
    expect(rig.authorized.at(-1)).toMatchObject({
      principalArn: roleArn,
      action: "lambda:InvokeFunction",
      resource: functionArn,
    });
  });

  test("without an input the target gets Scheduler's own event", async () => {
    await create({ Target: { Arn: workflowArn, RoleArn: roleArn } });
    rig.services.scheduler.start();
    rig.services.scheduler.fire("nightly", noon);
    await rig.services.scheduler.settled();
    expect(sent[0]?.to).toBe(workflowArn);
    expect(sentTimes()[0]).toMatchObject({ source: "aws.scheduler", time: "2026-11-20T12:00:00Z", detail: "{}" });
  });

  test("a rate runs at once and then on its grid; with a start date, from there to the end date", async () => {
    rig.services.scheduler.start();
    await create({ Name: "now", ScheduleExpression: "rate(10 minutes)", Target: timeOnly });
    const anchor = Date.parse(String((await get("now")).CreationDate?.toISOString()));
    await advance(25 * minute);
    const at = (milliseconds: number) => `${new Date(milliseconds).toISOString().slice(0, 19)}Z`;
    await expect.poll(sentTimes).toEqual([anchor, anchor + 10 * minute, anchor + 20 * minute].map(at));
    connect();
    await client.send(new DeleteScheduleCommand({ Name: "now" }));
    sent.length = 0;
    await create({
      ScheduleExpression: "rate(10 minutes)",
      StartDate: new Date(noon + 60 * minute),
      EndDate: new Date(noon + 75 * minute),
      Target: timeOnly,
    });
    await advance(3 * 60 * minute);
    await expect.poll(sentTimes).toEqual(["2026-11-20T13:00:00Z", "2026-11-20T13:10:00Z"]);
    await advance(3 * 60 * minute);
    expect(sent).toHaveLength(2);
  });

  test("a one-time schedule runs once and, if asked to, deletes itself", async () => {
    rig.services.scheduler.start();
    const ScheduleExpression = "at(2026-11-20T13:00:00)";
    await create({ Name: "once", ScheduleExpression, Target: timeOnly });
    await create({ Name: "gone", ScheduleExpression, Target: timeOnly, ActionAfterCompletion: "DELETE" });
    await advance(2 * 60 * minute);
    await advance(2 * 60 * minute);
    connect();
    expect(sentTimes()).toEqual(["2026-11-20T13:00:00Z", "2026-11-20T13:00:00Z"]);
    expect((await get("once")).State).toBe("ENABLED");
    await expect(get("gone")).rejects.toMatchObject({ name: "ResourceNotFoundException" });
  });

  test("a disabled schedule does not run, but can be fired by hand", async () => {
    rig.services.scheduler.start();
    await create({ State: "DISABLED", Target: timeOnly });
    await advance(2 * 24 * 60 * minute);
    expect(sent).toEqual([]);
    rig.services.scheduler.fire("default/nightly", noon);
    await rig.services.scheduler.settled();
    expect(sentTimes()).toEqual(["2026-11-20T12:00:00Z"]);
    expect(() => rig.services.scheduler.fire("none")).toThrow("none does not exist");
  });

  test("a flexible window delays the delivery, never the scheduled time", async () => {
    rig.services.scheduler.start();
    await create({ Target: timeOnly, FlexibleTimeWindow: { Mode: "FLEXIBLE", MaximumWindowInMinutes: 60 } });
    rig.services.scheduler.fire("nightly", noon);
    await rig.clock.sleep(1);
    expect(sent).toEqual([]);
    await advance(60 * minute);
    expect(sentTimes()).toEqual(["2026-11-20T12:00:00Z"]);
  });

  test("what cannot be delivered is tried again and ends in the dead-letter queue", async () => {
    rig.services.scheduler.start();
    await create({
      Target: { ...timeOnly, DeadLetterConfig: { Arn: deadQueueArn }, RetryPolicy: { MaximumRetryAttempts: 2 } },
    });
    rig.denied.add("lambda:InvokeFunction");
    rig.services.scheduler.fire("nightly", noon);
    await rig.services.scheduler.settled();
    expect(sent).toMatchObject([{ to: deadQueueArn, attributes: { ERROR_CODE: "AccessDenied", RETRY_ATTEMPTS: "0" } }]);
    rig.denied.clear();
    sent.length = 0;
    rig.faults.add({ service: "scheduler", operation: "Deliver", times: 3, effect: { kind: "throttle" } });
    rig.services.scheduler.fire("nightly", noon);
    await rig.services.scheduler.settled();
    expect(sent).toMatchObject([
      {
        to: deadQueueArn,
        payload: '"2026-11-20T12:00:00Z"',
        attributes: {
          SCHEDULE_ARN: scheduleArn("nightly"),
          SCHEDULED_TIME: "2026-11-20T12:00:00Z",
          EXHAUSTED_RETRY_CONDITION: "MaximumRetryAttempts",
        },
      },
    ]);
    expect(problems).toHaveLength(2);
  });
});

describe("a restart", () => {
  test("runs a one-time schedule that came due meanwhile, and does not make up for cron and rate", async () => {
    await create({ Target: timeOnly });
    await create({
      Name: "often",
      ScheduleExpression: "rate(10 minutes)",
      Target: timeOnly,
      StartDate: new Date(noon),
    });
    await create({ Name: "once", ScheduleExpression: "at(2026-11-20T13:00:00)", Target: timeOnly });
    rig.services.scheduler.start();
    await rig.services.scheduler.settled();
    await rig.restart();
    sent.length = 0;
    rig.clock.advance(24 * 60 * minute);
    rig.services.scheduler.start();
    await advance(1);
    expect(sentTimes()).toEqual(["2026-11-20T13:00:00Z"]);
    await rig.restart();
    rig.services.scheduler.start();
    await advance(1);
    expect(sent).toHaveLength(1);
    await advance(15 * 60 * minute);
    expect(sentTimes()).toContain("2026-11-22T03:00:00Z");
    expect(sentTimes()).not.toContain("2026-11-21T03:00:00Z");
  });

  test("keeps an operator's change until the template changes, and drops what left the template", async () => {
    const template = { ...base, Name: "kept", FlexibleTimeWindow: { Mode: "OFF" as const }, State: "ENABLED" as const };
    const boot = (ScheduleExpression: string, names: string[]) => {
      for (const Name of names) rig.services.scheduler.putSchedule({ ...template, Name, ScheduleExpression } as never);
      rig.services.scheduler.start();
    };
    boot("cron(0 3 * * ? *)", ["kept", "left"]);
    await client.send(new UpdateScheduleCommand({ ...base, Name: "kept", State: "DISABLED" }));
    await create({ Name: "own" });
    await rig.restart();
    connect();
    boot("cron(0 3 * * ? *)", ["kept"]);
    expect((await get("kept")).State).toBe("DISABLED");
    await expect(get("left")).rejects.toMatchObject({ name: "ResourceNotFoundException" });
    await rig.restart();
    connect();
    boot("cron(0 4 * * ? *)", ["kept"]);
    expect(await get("kept")).toMatchObject({ State: "ENABLED", ScheduleExpression: "cron(0 4 * * ? *)" });
    expect((await get("own")).Name).toBe("own");
  });
});
