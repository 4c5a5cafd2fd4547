// Relay: clients' AI API calls to many providers, with keys, budgets and exact accounting.
import { Stack, type StackProps } from "aws-cdk-lib";
import type { Construct } from "constructs";
import type { StageSettings } from "../config.ts";
import { DeadLetterQueue } from "../constructs/dead-letter-queue.ts";
import { Room } from "../constructs/service-function.ts";
import type { DataStack } from "./data-stack.ts";
import type { RelayParts } from "./relay-functions.ts";

export interface RelayStackProps extends StackProps {
  readonly settings: StageSettings;
  readonly data: DataStack;
}

export class RelayStack extends Stack {
  constructor(scope: Construct, id: string, props: RelayStackProps) {
    super(scope, id, props);
    const { settings, data } = props;
    const common = { logRetention: settings.retention.logDays, alarmTopic: data.alarmTopic };
    const { queue: failedCalls } = new DeadLetterQueue(this, "MissedWork", {
      holds: "sweeps, recoveries and checks of the relay that could not be called",
    });
    const parts: RelayParts = {
      scope: this,
      room: new Room(this, { ...common, room: "relay" }),
      settings,
      data,
      failedCalls,
    };
    this.#schedules(parts);
  }

  /** What the relay does by itself. Each function's owner adds a line. */
  #schedules(_parts: RelayParts): void {}
}
