// A Step Functions service behind a real gateway, with plain functions for Lambda and a small S3, for the tests here.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  DescribeExecutionCommand,
  type DescribeExecutionCommandOutput,
  GetExecutionHistoryCommand,
  type HistoryEvent,
  SFNClient,
  StartExecutionCommand,
} from "@aws-sdk/client-sfn";
import validateAsl from "asl-validator";
import type { Gateway } from "../../../local/gateway/gateway.ts";
import { startGateway } from "../../../local/gateway/gateway.ts";
import type { CloudEvent, LambdaPort } from "../../../local/gateway/ports.ts";
import { type Authorize, type Principal, ServiceError } from "../../../local/gateway/service.ts";
import { Clock } from "../../../local/rig/clock.ts";
import { Faults } from "../../../local/rig/faults.ts";
import { createStepFunctionsService, type StepFunctionsService } from "../../../local/step-functions/step-functions.ts";
import { type SmallS3, smallS3 } from "./small-s3.ts";

export const region = "eu-central-1";
export const accountId = "123456789012";
export const operator: Principal = {
  arn: "arn:aws:iam::123456789012:user/op",
  accessKeyId: "AKOP",
  secretAccessKey: "s",
};
export const role: Principal = {
  arn: `arn:aws:iam::${accountId}:role/workflow`,
  accessKeyId: "AKROLE",
  secretAccessKey: "r",
  sessionToken: "token",
};

/** Gets the parsed payload; what it returns is the result, what it throws is Lambda's error object. */
export type FakeFunction = (payload: never, signal: AbortSignal) => unknown;

export class FunctionError extends Error {
  constructor(errorType: string, message = errorType) {
    super(message);
    this.name = errorType;
  }
}

export interface RigOptions {
  readonly directory?: string;
  readonly clock?: Clock;
  readonly historyLimit?: number;
  readonly objects?: Map<string, string>;
  /** `action resource` pairs, by the start of the text, that the role may not do. */
  readonly denied?: string[];
}

export interface Rig {
  readonly clock: Clock;
  readonly faults: Faults;
  readonly gateway: Gateway;
  readonly service: StepFunctionsService;
  readonly client: SFNClient;
  readonly functions: Record<string, FakeFunction>;
  readonly s3: SmallS3;
  readonly denied: string[];
  readonly directory: string;
  readonly defects: unknown[];
  /** What went to the default bus, oldest first. */
  readonly events: CloudEvent[];
  /** Creates the machine, and makes sure that asl-validator takes what the service takes. */
  machine(name: string, definition: object): string;
  start(stateMachineArn: string, input?: unknown, name?: string): Promise<string>;
  /** Until the execution is closed. */
  ended(executionArn: string): Promise<DescribeExecutionCommandOutput>;
  run(definition: object, input?: unknown): Promise<DescribeExecutionCommandOutput>;
  history(executionArn: string): Promise<HistoryEvent[]>;
  /** Lets go as the end of the process would, and keeps the directory. */
  close(): Promise<void>;
}

const directories: string[] = [];
const rigs: Rig[] = [];
/** Definitions that asl-validator has taken already; it takes its time. */
const validated = new Set<string>();

export function functionArn(name: string): string {
  return `arn:aws:lambda:${region}:${accountId}:function:${name}`;
}

export function machineArn(name: string): string {
  return `arn:aws:states:${region}:${accountId}:stateMachine:${name}`;
}

export async function openRig(options: RigOptions = {}): Promise<Rig> {
  const directory = options.directory ?? mkdtempSync(join(tmpdir(), "sfn-"));
  if (!directories.includes(directory)) directories.push(directory);
  const clock = options.clock ?? new Clock();
  const faults = new Faults(7);
  const denied = options.denied ?? [];
  const functions: Record<string, FakeFunction> = {};
  const authorize: Authorize = (principal, action, resource) => {
    if (principal === operator || !denied.some((entry) => `${action} ${resource}`.startsWith(entry))) return;
    throw new ServiceError(
      403,
      "AccessDenied",
      `${principal.arn} is not authorized to perform: ${action} on ${resource}`,
    );
  };
  const context = { clock, faults, authorize, region, accountId, stateDirectory: directory };
  const s3 = smallS3(context, options.objects ?? new Map());
  let url = "";
  const events: CloudEvent[] = [];
  const service = createStepFunctionsService(context, {
    lambda: fakeLambda(functions),
    endpointUrl: () => url,
    events: { publish: (event) => void events.push(event) },
    ...(options.historyLimit === undefined ? {} : { historyLimit: options.historyLimit }),
  });
  const defects: unknown[] = [];
  const gateway = await startGateway({
    services: [service, s3],
    principalOf: (id) => [operator, role].find((principal) => principal.accessKeyId === id),
    clock,
    faults,
    onDefect: (error) => defects.push(error),
  });
  url = gateway.url;
  const client = new SFNClient({ region, endpoint: url, credentials: operator, maxAttempts: 1 });
  Object.defineProperty(client.config, "systemClockOffset", {
    get: () => clock.now() - Date.now(),
    set: () => undefined,
  });
  const rig = assemble({ clock, faults, gateway, service, client, functions, s3, denied, directory, defects, events });
  rigs.push(rig);
  return rig;
}

type Parts = Pick<
  Rig,
  | "clock"
  | "faults"
  | "gateway"
  | "service"
  | "client"
  | "functions"
  | "s3"
  | "denied"
  | "directory"
  | "defects"
  | "events"
>;

function assemble(parts: Parts): Rig {
  const { client, service } = parts;
  let machines = 0;
  const rig: Rig = {
    ...parts,
    machine(name, definition) {
      const text = JSON.stringify(definition);
      if (!validated.has(text)) {
        const verdict = validateAsl(JSON.parse(text));
        if (!verdict.isValid) throw new Error(`asl-validator refuses ${name}: ${verdict.errorsText()}`);
        validated.add(text);
      }
      const arn = machineArn(name);
      service.createStateMachine({ arn, name, definition: text, role });
      return arn;
    },
    async start(stateMachineArn, input = {}, name) {
      const call = { stateMachineArn, input: JSON.stringify(input), ...(name === undefined ? {} : { name }) };
      return (await client.send(new StartExecutionCommand(call))).executionArn ?? "";
    },
    async ended(executionArn) {
      for (;;) {
        const execution = await client.send(new DescribeExecutionCommand({ executionArn })).catch((error: Error) => {
          // The clock jumped hours ahead while the request was on its way: signed before, checked after.
          if (error.name !== "InvalidSignatureException") throw error;
        });
        if (execution && execution.status !== "RUNNING") return execution;
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    },
    async run(definition, input) {
      machines += 1;
      return rig.ended(await rig.start(rig.machine(`machine-${machines}`, definition), input));
    },
    async history(executionArn) {
      const events: HistoryEvent[] = [];
      let nextToken: string | undefined;
      do {
        const page = await client.send(new GetExecutionHistoryCommand({ executionArn, maxResults: 1000, nextToken }));
        events.push(...(page.events ?? []));
        nextToken = page.nextToken;
      } while (nextToken !== undefined);
      return events;
    },
    async close() {
      client.destroy();
      await parts.gateway.close();
    },
  };
  return rig;
}

function fakeLambda(functions: Record<string, FakeFunction>): LambdaPort {
  return {
    async invoke(arn, payload, signal) {
      const known = functions[arn.split(":").at(-1) ?? ""];
      if (!known) throw new ServiceError(404, "ResourceNotFoundException", `Function not found: ${arn}`);
      try {
        const result = await known(JSON.parse(payload) as never, signal ?? new AbortController().signal);
        return { payload: JSON.stringify(result ?? null) };
      } catch (error) {
        if (!(error instanceof FunctionError)) throw error;
        const { name: errorType, message: errorMessage } = error;
        return { payload: JSON.stringify({ errorType, errorMessage, trace: [] }), error: { errorType, errorMessage } };
      }
    },
  };
}

/** After each test file's tests: everything closed, every directory removed. */
export async function closeRigs(): Promise<void> {
  for (const rig of rigs.splice(0)) await rig.close();
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true, force: true });
}

/** A promise that a fake function waits for, and the test resolves. */
export function gate(): { readonly opened: Promise<void>; open(): void } {
  let open: () => void = () => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

/** A one-state task of a fake function; its result is the payload the function returned. */
export function task(name: string, more: object = { End: true }): object {
  return { Type: "Task", Resource: functionArn(name), ...more };
}

export function outputOf(execution: DescribeExecutionCommandOutput): unknown {
  if (execution.status !== "SUCCEEDED") {
    throw new Error(`${execution.status}: ${execution.error} ${execution.cause}`);
  }
  return JSON.parse(execution.output ?? "null");
}
