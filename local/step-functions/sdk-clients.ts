// Calls AWS services with the official clients against the gateway, signed by the role of a state machine.
import { Readable } from "node:stream";
import { GetObjectCommand, type GetObjectCommandInput } from "@aws-sdk/client-s3";
import type { Principal } from "../gateway/service.ts";
import type { Clock } from "../rig/clock.ts";
import { isJsonObject, type Json, type JsonObject } from "./json.ts";
import { type SdkServiceName, sdkErrorPrefixes } from "./resources.ts";
import { WorkflowError } from "./workflow-error.ts";

/** As much of an SDK client as is used here; the real ones are typed per command. */
interface Client {
  readonly config: object;
  send(command: unknown, options: { abortSignal: AbortSignal }): Promise<unknown>;
  destroy(): void;
}

interface ClientPackage {
  readonly clientName: string;
  readonly load: () => Promise<Record<string, unknown>>;
}

const packages: Readonly<Record<SdkServiceName, ClientPackage>> = {
  s3: { clientName: "S3", load: () => import("@aws-sdk/client-s3") },
  dynamodb: { clientName: "DynamoDB", load: () => import("@aws-sdk/client-dynamodb") },
  sfn: { clientName: "SFN", load: () => import("@aws-sdk/client-sfn") },
  sqs: { clientName: "SQS", load: () => import("@aws-sdk/client-sqs") },
  eventbridge: { clientName: "EventBridge", load: () => import("@aws-sdk/client-eventbridge") },
  secretsmanager: { clientName: "SecretsManager", load: () => import("@aws-sdk/client-secrets-manager") },
  kms: { clientName: "KMS", load: () => import("@aws-sdk/client-kms") },
  lambda: { clientName: "Lambda", load: () => import("@aws-sdk/client-lambda") },
};

/** Attempts at what Step Functions does on its own account: reading items and writing results. */
const ownAttempts = 3;

export class SdkClients {
  readonly #clock: Clock;
  readonly #region: string;
  readonly #endpointUrl: () => string;
  readonly #clients = new Map<string, Client>();

  constructor(clock: Clock, region: string, endpointUrl: () => string) {
    this.#clock = clock;
    this.#region = region;
    this.#endpointUrl = endpointUrl;
  }

  /**
   * One call, not retried: its failure is the task's. Members are Pascal-case both ways, whatever the API itself uses.
   * Throws WorkflowError `<Service>.<Exception>`, e.g. `S3.NoSuchKeyException`; `S3.S3Exception` where the API's model
   * has no such error (as AccessDenied), `S3.SdkClientException` where no answer came.
   */
  async call(
    role: Principal,
    service: SdkServiceName,
    action: string,
    args: JsonObject,
    signal: AbortSignal,
  ): Promise<Json> {
    const module = await packages[service].load();
    const client = this.#client(role, service, module, 1);
    return this.#send(client, module, service, action, args, signal);
  }

  /** An object's body, for an ItemReader; retried, as Step Functions itself does. Errors as in `call`. */
  async openObject(role: Principal, args: JsonObject, signal: AbortSignal): Promise<Readable> {
    const module = await packages.s3.load();
    const client = this.#client(role, "s3", module, ownAttempts);
    try {
      const output = await client.send(new GetObjectCommand(args as unknown as GetObjectCommandInput), {
        abortSignal: signal,
      });
      const body = isRecord(output) ? output.Body : undefined;
      if (!(body instanceof Readable)) throw new WorkflowError("S3.S3Exception", "The answer has no body.");
      return body;
    } catch (error) {
      if (signal.aborted || error instanceof WorkflowError) throw error;
      throw sdkFailure("s3", module, error);
    }
  }

  /** Writes a result file, for a ResultWriter; retried. Errors as in `call`. */
  async putObject(role: Principal, Bucket: string, Key: string, Body: string, signal: AbortSignal): Promise<void> {
    const module = await packages.s3.load();
    const client = this.#client(role, "s3", module, ownAttempts);
    await this.#send(client, module, "s3", "putObject", { Bucket, Key, Body }, signal);
  }

  close(): void {
    for (const client of this.#clients.values()) client.destroy();
    this.#clients.clear();
  }

  async #send(
    client: Client,
    module: Record<string, unknown>,
    service: SdkServiceName,
    action: string,
    args: JsonObject,
    signal: AbortSignal,
  ): Promise<Json> {
    const commandName = `${action.charAt(0).toUpperCase()}${action.slice(1)}Command`;
    const Command = module[commandName] as (new (input: unknown) => unknown) | undefined;
    if (!Command) throw new WorkflowError("States.Runtime", `aws-sdk:${service} has no action '${action}'.`);
    const input = service === "sfn" ? renameMembers(args, lowerFirst) : withTextBodies(args);
    try {
      const output = await client.send(new Command(input), { abortSignal: signal });
      const plain = await toJson(output);
      return service === "sfn" ? renameMembers(plain, upperFirst) : plain;
    } catch (error) {
      if (signal.aborted || error instanceof WorkflowError) throw error;
      throw sdkFailure(service, module, error);
    }
  }

  #client(role: Principal, service: SdkServiceName, module: Record<string, unknown>, maxAttempts: number): Client {
    const key = `${service} ${maxAttempts} ${role.accessKeyId}`;
    const known = this.#clients.get(key);
    if (known) return known;
    const ClientClass = module[`${packages[service].clientName}Client`] as new (config: unknown) => Client;
    const client = new ClientClass({
      region: this.#region,
      endpoint: this.#endpointUrl(),
      credentials: {
        accessKeyId: role.accessKeyId,
        secretAccessKey: role.secretAccessKey,
        ...(role.sessionToken === undefined ? {} : { sessionToken: role.sessionToken }),
      },
      maxAttempts,
      ...(service === "s3" ? { forcePathStyle: true } : {}),
    });
    // The gateway checks signatures against cloud time, which may be hours from the machine's. The SDK would otherwise
    // keep resetting its offset to what it reads in `Date` headers.
    Object.defineProperty(client.config, "systemClockOffset", {
      get: () => this.#clock.now() - Date.now(),
      set: () => undefined,
    });
    this.#clients.set(key, client);
    return client;
  }
}

function lowerFirst(name: string): string {
  return name.charAt(0).toLowerCase() + name.slice(1);
}

function upperFirst(name: string): string {
  return name.charAt(0).toUpperCase() + name.slice(1);
}

/** For Step Functions' own API, whose members are camel-case and which has no maps with the caller's keys. */
function renameMembers(value: Json, rename: (name: string) => string): Json {
  if (Array.isArray(value)) return value.map((item) => renameMembers(item, rename));
  if (!isJsonObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [rename(name), renameMembers(member, rename)]),
  );
}

/** A body or payload given as JSON is sent as its text. */
function withTextBodies(args: JsonObject): JsonObject {
  const sent = { ...args };
  for (const name of ["Body", "Payload"]) {
    const value = sent[name];
    if (value !== undefined && typeof value !== "string") sent[name] = JSON.stringify(value);
  }
  return sent;
}

/** An SDK output as JSON: bytes and streams as text, times in RFC 3339, the SDK's own `$metadata` left out. */
async function toJson(value: unknown): Promise<Json> {
  if (value === null || typeof value === "boolean" || typeof value === "number" || typeof value === "string") {
    return value;
  }
  if (value instanceof Date) return value.toISOString();
  if (value instanceof Uint8Array) return Buffer.from(value).toString("utf8");
  if (Array.isArray(value)) return Promise.all(value.map(toJson));
  if (typeof value !== "object") return String(value);
  if ("transformToString" in value && typeof value.transformToString === "function") {
    return String(await value.transformToString());
  }
  const members: JsonObject = {};
  for (const [name, member] of Object.entries(value)) {
    if (name !== "$metadata" && member !== undefined) members[name] = await toJson(member);
  }
  return members;
}

function sdkFailure(service: SdkServiceName, module: Record<string, unknown>, error: unknown): WorkflowError {
  const prefix = sdkErrorPrefixes[service];
  if (!(error instanceof Error)) return new WorkflowError(`${prefix}.SdkClientException`, String(error));
  const metadata = "$metadata" in error && isRecord(error.$metadata) ? error.$metadata : {};
  const status = metadata.httpStatusCode;
  if (status === undefined) return new WorkflowError(`${prefix}.SdkClientException`, error.message);
  const cause =
    `${error.message} (Service: ${prefix}, Status Code: ${String(status)}, ` +
    `Request ID: ${String(metadata.requestId ?? "unknown")})`;
  const modelled =
    typeof module[error.name] === "function" &&
    error.constructor === module[error.name] &&
    !notInJavaModel.has(`${service} ${error.name}`);
  return new WorkflowError(`${prefix}.${modelled ? exceptionName(error.name) : `${prefix}Exception`}`, cause);
}

/** Classes of the JavaScript clients that Step Functions, built on the Java SDK, has always shown as `S3.S3Exception`. */
const notInJavaModel = new Set(["s3 AccessDenied"]);

/** The Java SDK's class for an error shape, which Step Functions shows. */
function exceptionName(shapeName: string): string {
  if (shapeName.endsWith("Exception")) return shapeName;
  if (shapeName.endsWith("Fault")) return `${shapeName.slice(0, -"Fault".length)}Exception`;
  return `${shapeName}Exception`;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
