// The part of the Amazon States Language that the local cloud runs, as types. `readDefinition` makes sure of them.
import type { Json, JsonObject } from "./json.ts";

export interface StatesBlock {
  readonly StartAt: string;
  readonly States: Readonly<Record<string, State>>;
}

export interface Definition extends StatesBlock {
  readonly TimeoutSeconds?: number;
}

export interface Retrier {
  readonly ErrorEquals: readonly string[];
  readonly IntervalSeconds?: number;
  readonly MaxAttempts?: number;
  readonly BackoffRate?: number;
  readonly MaxDelaySeconds?: number;
  readonly JitterStrategy?: "FULL" | "NONE";
}

export interface Catcher {
  readonly ErrorEquals: readonly string[];
  readonly Next: string;
  readonly Assign?: JsonObject;
  readonly Output?: Json;
}

interface StateBase {
  readonly Next?: string;
  readonly End?: boolean;
  readonly Output?: Json;
  readonly Assign?: JsonObject;
  readonly Retry?: readonly Retrier[];
  readonly Catch?: readonly Catcher[];
}

export interface TaskState extends StateBase {
  readonly Type: "Task";
  readonly Resource: string;
  readonly Arguments?: Json;
  readonly TimeoutSeconds?: number | string;
}

export interface ChoiceRule {
  readonly Condition: string | boolean;
  readonly Next: string;
  readonly Assign?: JsonObject;
  readonly Output?: Json;
}

export interface ChoiceState extends StateBase {
  readonly Type: "Choice";
  readonly Choices: readonly ChoiceRule[];
  readonly Default?: string;
}

export interface WaitState extends StateBase {
  readonly Type: "Wait";
  readonly Seconds?: number | string;
  readonly Timestamp?: string;
}

export interface PassState extends StateBase {
  readonly Type: "Pass";
}

export interface SucceedState extends StateBase {
  readonly Type: "Succeed";
}

export interface FailState extends StateBase {
  readonly Type: "Fail";
  readonly Error?: string;
  readonly Cause?: string;
}

export interface ParallelState extends StateBase {
  readonly Type: "Parallel";
  readonly Branches: readonly StatesBlock[];
  readonly Arguments?: Json;
}

export interface ItemReader {
  readonly Resource: string;
  readonly Arguments?: JsonObject;
  readonly ReaderConfig?: { readonly InputType?: "JSON" | "JSONL"; readonly MaxItems?: number | string };
}

export interface ItemBatcher {
  readonly MaxItemsPerBatch?: number | string;
  readonly MaxInputBytesPerBatch?: number | string;
  readonly BatchInput?: Json;
}

export type Transformation = "NONE" | "COMPACT" | "FLATTEN";

export interface ResultWriter {
  readonly Resource?: string;
  readonly Arguments?: JsonObject;
  readonly WriterConfig?: { readonly Transformation?: Transformation; readonly OutputType?: "JSON" | "JSONL" };
}

export interface ItemProcessor extends StatesBlock {
  readonly ProcessorConfig?: { readonly Mode?: "INLINE" | "DISTRIBUTED"; readonly ExecutionType?: string };
}

export interface MapState extends StateBase {
  readonly Type: "Map";
  readonly ItemProcessor: ItemProcessor;
  readonly Items?: Json;
  readonly ItemSelector?: Json;
  readonly ItemReader?: ItemReader;
  readonly ItemBatcher?: ItemBatcher;
  readonly ResultWriter?: ResultWriter;
  readonly MaxConcurrency?: number | string;
  readonly ToleratedFailureCount?: number | string;
  readonly ToleratedFailurePercentage?: number | string;
  /** Given by hand, or by `readDefinition` from the state's place in the definition. Distributed only. */
  readonly Label?: string;
}

export type State =
  | TaskState
  | ChoiceState
  | WaitState
  | PassState
  | SucceedState
  | FailState
  | ParallelState
  | MapState;

export function isDistributed(state: MapState): boolean {
  return state.ItemProcessor.ProcessorConfig?.Mode === "DISTRIBUTED";
}
