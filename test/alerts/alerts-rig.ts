// The whole of alerts on the local cloud, for one test: events go to the real bus, messages arrive at real stand-ins.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { EventBridgeClient } from "@aws-sdk/client-eventbridge";
import { InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";
import { CreateSecretCommand, PutSecretValueCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { ReceiveMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { DynamoDBDocumentClient, QueryCommand } from "@aws-sdk/lib-dynamodb";
import type { Delivery } from "../../lambdas/alerts/alert.ts";
import { DeliveriesStore } from "../../lambdas/alerts/deliveries.store.ts";
import { listedTimes } from "../../lambdas/alerts/delivery-times.ts";
import type { Rule } from "../../lambdas/alerts/rule.ts";
import { RulesStore } from "../../lambdas/alerts/rules.store.ts";
import { type EventDetail, type EventName, eventSender } from "../../lambdas/shared/events.ts";
import { bootCloud, type LocalCloud } from "../../local/cloud.ts";
import { Clock } from "../../local/rig/clock.ts";
import { Faults } from "../../local/rig/faults.ts";
import { standardRules } from "../lambdas/alerts/sample-events.ts";
import { stopSchedules } from "../stop-schedules.ts";
import { testAssembly } from "../test-assembly.ts";

export interface AlertsRigOptions {
  readonly seed?: number;
  /** Schedules that fire; all others are switched off, for time is moved by hand here. */
  readonly schedules?: readonly string[];
}

/** Until everything that is on its way has arrived; a test that waits longer hangs. */
const longestWaitMilliseconds = 60_000;

export class AlertsRig {
  readonly clock: Clock;
  readonly faults: Faults;
  readonly cloud: LocalCloud;
  readonly deliveries: DeliveriesStore;
  readonly rules: RulesStore;
  readonly documents: DynamoDBDocumentClient;
  readonly #folder: string;

  private constructor(clock: Clock, faults: Faults, folder: string, cloud: LocalCloud) {
    this.clock = clock;
    this.faults = faults;
    this.#folder = folder;
    this.cloud = cloud;
    this.documents = DynamoDBDocumentClient.from(new DynamoDBClient(cloud.clientConfig()), {
      marshallOptions: { removeUndefinedValues: true },
    });
    this.deliveries = new DeliveriesStore(this.documents, cloud.output("AlertsTableName"));
    this.rules = new RulesStore(this.documents, cloud.output("AlertsTableName"));
  }

  static async start({ seed = 1, schedules = [] }: AlertsRigOptions = {}): Promise<AlertsRig> {
    const folder = mkdtempSync(path.join(tmpdir(), "causeway-alerts-"));
    const faults = new Faults(seed);
    const clock = new Clock({ skipIdle: true });
    const cloud = await bootCloud({
      assemblyDirectory: testAssembly,
      onlyStacks: ["data", "replication", "relay", "alerts"],
      stateDirectory: folder,
      clock,
      faults,
      port: 0,
    });
    cloud.ses.verify("causeway@example.com");
    const rig = new AlertsRig(clock, faults, folder, cloud);
    await stopSchedules(cloud, schedules);
    await rig.#secrets().send(
      new CreateSecretCommand({
        Name: "/local/alerts/wecom",
        SecretString: JSON.stringify({ url: cloud.wecom.webhookUrl("operations") }),
      }),
    );
    return rig;
  }

  /** As rooms do: one or many events of a name. */
  async emit<Name extends EventName>(name: Name, ...details: readonly EventDetail<Name>[]): Promise<void> {
    const sender = eventSender(
      new EventBridgeClient(this.cloud.clientConfig()),
      "causeway-local",
      "causeway.replication",
    );
    await sender.send(name, details);
  }

  /** Later, the deliveries are called as the schedule does, until nothing is on its way any more. */
  async tick(minutes = 1): Promise<void> {
    // Time must not pass while a call is at work: it would outlive its lease.
    await this.#untilFree();
    this.clock.advance(minutes * 60_000);
    await this.#invoke("DeliverAlertsFunctionName", {});
    await this.settled();
  }

  async #untilFree(): Promise<void> {
    const until = Date.now() + longestWaitMilliseconds;
    while ((await this.#leases()) > 0) {
      if (Date.now() > until) throw new Error("Somebody is at work on a channel for too long.");
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** Channels that somebody is at work on. */
  async #leases(): Promise<number> {
    const answer = await this.documents.send(
      new QueryCommand({
        TableName: this.cloud.output("AlertsTableName"),
        KeyConditionExpression: "#partition = :channels",
        ExpressionAttributeNames: { "#partition": "partition" },
        ExpressionAttributeValues: { ":channels": "channels" },
        ConsistentRead: true,
      }),
    );
    return (answer.Items ?? []).filter(({ leaseUntil }) => leaseUntil > this.clock.now()).length;
  }

  async checkSilence(input: { expectedDatabaseIds?: string } = {}): Promise<void> {
    await this.#invoke("CheckSilenceFunctionName", input);
    await this.settled();
  }

  /** As a schedule's call, but one that is waited for. */
  async #invoke(output: string, input: object): Promise<void> {
    const answer = await new LambdaClient(this.cloud.clientConfig()).send(
      new InvokeCommand({ FunctionName: this.cloud.output(output), Payload: JSON.stringify(input) }),
    );
    if (answer.FunctionError !== undefined) throw new Error(Buffer.from(answer.Payload ?? []).toString("utf8"));
  }

  /** Waits until every event was evaluated, and whoever was woken has looked. */
  async settled(): Promise<void> {
    for (let round = 0; round < 3; round += 1) {
      await this.cloud.scheduler.settled();
      await this.cloud.eventBridge.settled();
      await this.cloud.eventSources.settled();
    }
  }

  /** What stands in the group, oldest first. */
  get group(): string[] {
    return this.cloud.wecom.messages.map(({ content }) => content);
  }

  get mails(): { subject: string; text: string }[] {
    return this.cloud
      .mails()
      .filter(({ via }) => via === "ses")
      .map(({ subject, text = "" }) => ({ subject, text }));
  }

  /** Newest first. */
  async listDeliveries(filter: { channel?: string; state?: string } = {}): Promise<readonly Delivery[]> {
    const { newest, oldest } = listedTimes(this.clock.now());
    const all: Delivery[] = [];
    let before: string | undefined = newest;
    while (before !== undefined) {
      const page = await this.deliveries.list(filter, before, oldest, 1_000);
      all.push(...page.items);
      before = page.after;
    }
    return all;
  }

  /** How many deliveries of a channel still wait, whatever for. */
  async pending(channel: string): Promise<number> {
    return (await this.deliveries.pending(channel, this.clock.now() + 366 * 86_400_000)).length;
  }

  /** Bodies of the alerts that no channel took. */
  async undelivered(): Promise<{ alertId: string; subject: string; channels: Record<string, { state: string }> }[]> {
    const answer = await new SQSClient(this.cloud.clientConfig()).send(
      new ReceiveMessageCommand({ QueueUrl: this.cloud.output("UndeliveredAlertsQueueUrl"), MaxNumberOfMessages: 10 }),
    );
    return (answer.Messages ?? []).map(({ Body = "" }) => JSON.parse(Body));
  }

  /** The default rule of an event with some of it changed, kept as the API keeps it. */
  async keepRule(ruleId: string, changes: Partial<Rule>): Promise<void> {
    const rule = standardRules().find((each) => each.ruleId === ruleId);
    if (rule === undefined) throw new Error(`there is no rule ${ruleId}`);
    const { version, rules: seen } = await this.rules.read();
    const rules = [...seen.filter((each) => each.ruleId !== ruleId), { ...rule, ...changes }];
    const audit = {
      TableName: this.cloud.output("AuditTableName"),
      Item: { month: "2026-11", item: `test-${version}` },
    };
    await this.rules.write({ version: version + 1, rules, changedAt: null, changedBy: null }, version, { Put: audit });
  }

  async putWecomAddress(url: string): Promise<void> {
    await this.#secrets().send(
      new PutSecretValueCommand({ SecretId: "/local/alerts/wecom", SecretString: JSON.stringify({ url }) }),
    );
  }

  async close(): Promise<void> {
    await this.cloud.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #secrets(): SecretsManagerClient {
    return new SecretsManagerClient(this.cloud.clientConfig());
  }
}
