// The local cloud's Step Functions: Amazon States Language with JSONata, durable, behind the gateway.
import { jsonService } from "../gateway/json-service.ts";
import type { EventPort, LambdaPort, WorkflowPort } from "../gateway/ports.ts";
import type { LocalService, ServiceContext } from "../gateway/service.ts";
import { operations } from "./api.ts";
import { Engine, type NewMachine } from "./engine.ts";
import type { WorkflowEvent } from "./runtime.ts";

/** Quota of a Standard workflow. */
const defaultHistoryLimit = 25_000;

export interface StepFunctionsOptions {
  readonly lambda: LambdaPort;
  /** Of the gateway, for the calls that workflows make with their own roles. Asked at the first call. */
  readonly endpointUrl: () => string;
  /** Events after which an execution fails. Default 25,000. */
  readonly historyLimit?: number;
  /** Where changes of an execution's status are published. Absent: nowhere. */
  readonly events?: EventPort;
}

export interface StepFunctionsService extends LocalService, WorkflowPort {
  /** For boot, before `resume`. Idempotent. Throws ServiceError InvalidDefinition, whose message says what and where. */
  createStateMachine(machine: NewMachine): void;
  /**
   * Continues every execution that was running when the last process ended; a task in flight then is run again.
   * Call it once all state machines are created and the gateway listens. Executions whose state machine is not there
   * stay as they are and are named.
   */
  resume(): { readonly resumed: number; readonly withoutMachine: readonly string[] };
  /** Every history event as it happens. The listener must not throw. Returns the function that ends it. */
  onEvent(listener: (event: WorkflowEvent) => void): () => void;
  close(): Promise<void>;
}

/** State in `context.stateDirectory`/step-functions.sqlite. */
export function createStepFunctionsService(
  context: ServiceContext,
  options: StepFunctionsOptions,
): StepFunctionsService {
  const engine = new Engine(context, { historyLimit: defaultHistoryLimit, ...options });
  const close = () => engine.close();
  const service = jsonService({
    name: "states",
    version: "1.0",
    targetPrefix: "AWSStepFunctions",
    operations: operations(engine),
    resourceOf: (input) => String(input.stateMachineArn ?? input.executionArn ?? input.mapRunArn ?? ""),
    close,
  });
  return {
    ...service,
    close,
    createStateMachine: (machine) => engine.createStateMachine(machine),
    resume: () => engine.resume(),
    onEvent: (listener) => engine.onEvent(listener),
    startExecution: (call) => ({ executionArn: engine.start(call).arn }),
  };
}
