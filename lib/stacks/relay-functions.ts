// The functions of the relay: what each is given, what it may do, and what breaks when it fails.
import type { IQueue } from "aws-cdk-lib/aws-sqs";
import type { Construct } from "constructs";
import type { StageSettings } from "../config.ts";
import type { Room } from "../constructs/service-function.ts";
import type { DataStack } from "./data-stack.ts";

type Config = typeof import("../../lambdas/relay/config.ts");

/** What the functions are built from. */
export interface RelayParts {
  readonly scope: Construct;
  readonly room: Room<Config>;
  readonly settings: StageSettings;
  readonly data: DataStack;
  /** Where calls go that nobody waits for and that failed for good. */
  readonly failedCalls: IQueue;
}
