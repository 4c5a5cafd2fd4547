// Relay: clients' AI API calls to many providers, with keys, budgets and exact accounting.
import { CfnOutput, Stack, type StackProps } from "aws-cdk-lib";
import type { Queue } from "aws-cdk-lib/aws-sqs";
import type { Construct } from "constructs";
import type { StageSettings } from "../config.ts";
import { DeadLetterQueue } from "../constructs/dead-letter-queue.ts";
import { FailureAlarm, failurePeriod } from "../constructs/failure-alarm.ts";
import type { HttpRoom } from "../constructs/http-api.ts";
import { Room } from "../constructs/service-function.ts";
import { StreamingApi } from "../constructs/streaming-api.ts";
import type { DataStack } from "./data-stack.ts";
import { addProbeAccount, addRecoverAccounts } from "./relay-accounts.ts";
import { addRelayApi, type RelayWork } from "./relay-api.ts";
import { addCounting } from "./relay-counting.ts";
import { addRelay, type RelayParts } from "./relay-functions.ts";
import { addInstances } from "./relay-instances.ts";
import { addSweepLeases } from "./relay-ledger.ts";

export interface RelayStackProps extends StackProps {
  readonly settings: StageSettings;
  readonly data: DataStack;
}

export class RelayStack extends Stack {
  /** The relay's part of the HTTP API, for the console's stack. */
  readonly http: HttpRoom;

  constructor(scope: Construct, id: string, props: RelayStackProps) {
    super(scope, id, props);
    const { settings, data } = props;
    const common = { logRetention: settings.retention.logDays, alarmTopic: data.alarmTopic };
    const parts: RelayParts = {
      scope: this,
      room: new Room(this, { ...common, room: "relay" }),
      settings,
      data,
      failedCalls: this.#missedWork(data),
    };
    this.#front(parts);
    this.http = addRelayApi(parts, this.#schedules(parts));
  }

  #missedWork(data: DataStack): Queue {
    const { queue } = new DeadLetterQueue(this, "MissedWork", {
      holds: "sweeps, recoveries and checks of the relay that could not be called",
    });
    new FailureAlarm(this, "MissedWorkAlarm", {
      metric: queue.metricApproximateNumberOfMessagesVisible({ period: failurePeriod, statistic: "Maximum" }),
      title: "Missed work",
      impactOfFailure:
        "A call of the relay's work failed for good: a day's export or a rebuild is missing until it is repeated by hand.",
      topic: data.alarmTopic,
    });
    new CfnOutput(this, "MissedWorkQueueUrl", { value: queue.queueUrl });
    return queue;
  }

  /** Where clients reach the relay: an address of its own, for its answers stream and its callers carry its own keys. */
  #front(parts: RelayParts): void {
    const { settings, data } = parts;
    const relay = addRelay(parts);
    addInstances(parts, relay);
    const api = new StreamingApi(this, "RelayApi", {
      name: `causeway-${settings.stage}-relay`,
      description: "Causeway's relay of AI API calls",
      stageName: settings.stage,
      answeredBy: relay,
      requestsPerSecond: settings.relay.requestsPerSecond,
      requestsInBurst: settings.relay.requestsInBurst,
      logRetention: settings.retention.logDays,
      alarmTopic: data.alarmTopic,
      alarm: {
        title: "Relay answers with errors",
        impactOfFailure: "AI clients get errors of the relay's or the gateway's own; running streams go on.",
      },
    });
    new CfnOutput(this, "RelayUrl", { value: api.url, description: "What AI clients are pointed at" });
  }

  /** What the relay does by itself. Each function's owner adds a line. */
  #schedules(parts: RelayParts): RelayWork {
    addSweepLeases(parts);
    addRecoverAccounts(parts);
    return { probeAccount: addProbeAccount(parts), ...addCounting(parts) };
  }
}
