// Messages through the booted cloud: queue to function, workflow to rule, alarm to mail, with the template's permissions.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { SESv2Client, SendEmailCommand } from "@aws-sdk/client-sesv2";
import { SFNClient, StartExecutionCommand } from "@aws-sdk/client-sfn";
import {
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  SQSClient,
  StartMessageMoveTaskCommand,
} from "@aws-sdk/client-sqs";
import { afterAll, afterEach, beforeEach, expect, test } from "vitest";
import { bootCloud, type LocalCloud } from "../../local/cloud.ts";
import { Clock } from "../../local/rig/clock.ts";
import { resources, writeAssembly } from "./messaging-assembly.ts";

const temporary = mkdtempSync(path.join(tmpdir(), "messaging-"));
let cloud: LocalCloud;
let clock: Clock;
let notices: string[];
/** [body, receive count] of each message, by invocation. */
let taken: [string, string][][];

beforeEach(() => {
  clock = new Clock({ skipIdle: true });
  [notices, taken] = [[], []];
});
afterEach(async () => {
  await cloud.close();
  clock.close();
});
afterAll(() => rmSync(temporary, { recursive: true }));

async function boot(template: object = resources): Promise<void> {
  const folder = mkdtempSync(path.join(temporary, "cloud-"));
  const assemblyDirectory = path.join(folder, "cdk.out");
  writeAssembly(assemblyDirectory, template);
  cloud = await bootCloud({
    assemblyDirectory,
    stateDirectory: path.join(folder, "state"),
    clock,
    onNotice: (sentence) => notices.push(sentence),
    onLog: (_name, line) => {
      if (line.startsWith("[")) taken.push(JSON.parse(line) as [string, string][]);
    },
  });
}
const urlOf = (name: string) => `${cloud.url}/${cloud.accountId}/${name}`;
const send = (...bodies: string[]) => {
  const Entries = bodies.map((MessageBody, index) => ({ Id: String(index), MessageBody }));
  return new SQSClient(cloud.clientConfig()).send(new SendMessageBatchCommand({ QueueUrl: urlOf("work"), Entries }));
};
const alarmStates = () => Object.fromEntries(cloud.alarms.list().map(({ name, state }) => [name.slice(6), state]));

test("a template's queue calls its function, with its role's permissions, and a killed call comes again", async () => {
  await boot();
  expect(cloud.unknown).toEqual([]);
  expect(cloud.eventSources.list()).toEqual([
    {
      functionName: "take",
      sourceArn: cloud.resource("Work").arn,
      state: "enabled",
      maximumConcurrency: 2,
    },
  ]);
  cloud.faults.add({ service: "lambda", operation: "take", effect: { kind: "kill", atCall: 1, when: "after" } });
  await send("1", "bad");
  await cloud.eventSources.settled();
  expect(taken).toEqual([
    [
      ["1", "2"],
      ["bad", "2"],
    ],
  ]);
  const used = cloud.iam.grants().filter(({ action, uses }) => action.startsWith("sqs:") && uses > 0);
  expect(used.map(({ action }) => action)).toEqual([
    "sqs:ReceiveMessage",
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
  ]);
  expect(notices).toEqual([]);
});

test("a dead letter raises its alarm by mail, and clears it when it is redriven", async () => {
  await boot();
  await send("poison");
  await cloud.eventSources.settled();
  const mail = cloud.mails().find(({ subject }) => subject.includes("DeadLetters"));
  expect(mail).toMatchObject({
    via: "sns",
    from: "House alarms <no-reply@sns.amazonaws.com>",
    to: ["operations@example.com"],
    subject: 'ALARM: "house-DeadLetters" in eu-central-1',
    text: expect.stringContaining("messages that nobody took. Runbook: docs/runbook.md#dead"),
  });
  expect(alarmStates()).toEqual({ DeadLetters: "ALARM", FlowFails: "OK", TakeFails: "ALARM" });
  cloud.eventSources.disable("take");
  const SourceArn = cloud.resource("Dead").arn;
  await new SQSClient(cloud.clientConfig()).send(new StartMessageMoveTaskCommand({ SourceArn }));
  await expect.poll(() => alarmStates().DeadLetters).toBe("OK");
  expect(cloud.mails().at(-1)?.subject).toBe('OK: "house-DeadLetters" in eu-central-1');
  // The function's errors leave the alarm's window with time alone.
  clock.advance(11 * 60_000);
  await expect.poll(() => alarmStates().TakeFails).toBe("OK");
});

test("a rule on the default bus hears that a workflow failed, and its alarm is raised once", async () => {
  await boot();
  const states = new SFNClient(cloud.clientConfig());
  const stateMachineArn = cloud.output("FlowArn");
  const { executionArn } = await states.send(new StartExecutionCommand({ stateMachineArn, input: '{"a":1}' }));
  const sqs = new SQSClient(cloud.clientConfig());
  const asked = { QueueUrl: urlOf("heard"), WaitTimeSeconds: 20 };
  const { Messages = [] } = await sqs.send(new ReceiveMessageCommand(asked));
  const event = JSON.parse(Messages[0]?.Body ?? "") as { detail: object };
  expect(event.detail).toMatchObject({
    executionArn,
    status: "FAILED",
    error: "Torn",
    cause: "in two",
    input: '{"a":1}',
  });
  await states.send(new StartExecutionCommand({ stateMachineArn }));
  await cloud.eventBridge.settled();
  expect(cloud.mails().map(({ subject }) => subject)).toEqual(['ALARM: "house-FlowFails" in eu-central-1']);
});

test("a mapping whose role lacks a permission stops, and says so", async () => {
  await boot();
  const grant = cloud.iam.grants().find(({ action }) => action === "sqs:DeleteMessage");
  if (!grant) throw new Error("the template grants sqs:DeleteMessage");
  cloud.iam.withhold(grant);
  await send("1");
  await expect.poll(() => cloud.eventSources.list()[0]?.state).toBe("stopped");
  expect(notices.join()).toMatch(/stops: .*TakeRole.* is not authorized to perform: sqs:DeleteMessage/);
});

test("an alarm whose topic does not let CloudWatch publish reaches nobody, as in AWS", async () => {
  const deny = { ...resources.TopicPolicy.Properties.PolicyDocument.Statement[0], Effect: "Deny" };
  const Properties = { ...resources.TopicPolicy.Properties, PolicyDocument: { Statement: [deny] } };
  await boot({ ...resources, TopicPolicy: { ...resources.TopicPolicy, Properties } });
  await send("poison");
  await cloud.eventSources.settled();
  expect(alarmStates().DeadLetters).toBe("ALARM");
  expect(cloud.mails()).toEqual([]);
  expect(notices.join()).toContain("not authorized to perform: sns:Publish");
});

test("what Lambda would refuse or the local cloud cannot do is named at boot and does not run", async () => {
  const impatient = { ...resources.Work, Properties: { ...resources.Work.Properties, VisibilityTimeout: 29 } };
  const foreign = { ...resources.Mapping.Properties, EventSourceArn: "arn:aws:sqs:eu-central-1:111122223333:none" };
  const bySms = { ...resources.Mail, Properties: { ...resources.Mail.Properties, Protocol: "sms" } };
  const Other = { ...resources.Mapping, Properties: foreign };
  await boot({ ...resources, Work: impatient, Mail: bySms, Other });
  expect(cloud.eventSources.list()).toEqual([]);
  expect(cloud.unknown).toEqual([
    expect.stringContaining("29 seconds is less than Function timeout: 30 seconds"),
    expect.stringMatching(/does not run locally: .*does not exist/),
    expect.stringContaining("not sms"),
  ]);
});

test("a template's identity may send mail", async () => {
  await boot();
  await new SESv2Client(cloud.clientConfig()).send(
    new SendEmailCommand({
      FromEmailAddress: "house@example.com",
      Destination: { ToAddresses: ["a@example.net"] },
      Content: { Simple: { Subject: { Data: "hello" }, Body: { Text: { Data: "there" } } } },
    }),
  );
  expect(cloud.mails()).toMatchObject([{ via: "ses", subject: "hello", text: "there" }]);
});
