// DynamoDB for the local cloud: checks permission, then lets a DynamoDB-compatible server do the work unchanged.
import path from "node:path";
import type { JsonInput } from "../gateway/json-service.ts";
import type { StreamSourcePort } from "../gateway/ports.ts";
import {
  type Authorize,
  type LocalService,
  ServiceError,
  type ServiceRequest,
  type ServiceResponse,
} from "../gateway/service.ts";
import { Clock } from "../rig/clock.ts";
import { type BackendAnswer, BackendCalls, contentType } from "./backend-calls.ts";
import { refuse } from "./conflicts.ts";
import { type DynamodbBackend, startDynoxide } from "./dynoxide-process.ts";
import { indexStreams } from "./index-streams.ts";
import { ItemGuard, type ItemSimulation } from "./item-guard.ts";
import { knownOperations, type RequiredPermission, requiredPermissions } from "./required-permissions.ts";
import { StreamTimes } from "./stream-times.ts";
import { TableStreams } from "./table-streams.ts";
import { ensureTable, keyNamesOf, partitionKeyOf, type TableDefinition } from "./tables.ts";
import { resourceText, type TouchedItem, tablesText, touchedItems } from "./touched-items.ts";

export interface DynamodbOptions {
  readonly authorize: Authorize;
  /** Default: one of its own. */
  readonly clock?: Clock;
  readonly region: string;
  readonly accountId: string;
  /** Exists already; the database lies here. */
  readonly stateDirectory: string;
  /** Another DynamoDB-compatible server in the place of the one that comes along. */
  readonly endpoint?: string;
  /** Something that the operator should read. */
  readonly onNotice?: (sentence: string) => void;
}

export interface DynamodbService extends LocalService {
  /** Makes the table unless it is there. */
  addTable(definition: TableDefinition): Promise<void>;
  /** For event source mappings. */
  readonly streams: StreamSourcePort;
  /** Calls that arrived since boot, refused ones too, by operation and table: `UpdateItem Keys`, `TransactWriteItems Keys+Usage`. */
  calls(): Readonly<Record<string, number>>;
  /** Switches limits on single items on, or off again where a member is absent. Throws RangeError. */
  simulate(simulation: ItemSimulation): void;
}

interface ReadCall {
  readonly operation: string;
  readonly input: JsonInput;
  readonly items: readonly TouchedItem[];
}

const targetPrefix = "DynamoDB_20120810.";
/** Operations whose answers carry ARNs, which the server makes up for a region and account of its own. */
const operationsWithArns = new Set(["DescribeTable"]);
/** These touch no item, so no key. */
const operationsOnTables = new Set(["dynamodb:DescribeTable", "dynamodb:DescribeTimeToLive", "dynamodb:ListTables"]);

/** Throws an Error with a sentence where no server can be started. */
export async function startDynamodbService(options: DynamodbOptions): Promise<DynamodbService> {
  const server = options.endpoint
    ? { url: options.endpoint, close: async () => undefined }
    : await startOwnServer(options);
  return new DynamodbFront(options, server);
}

async function startOwnServer({ stateDirectory, onNotice }: DynamodbOptions): Promise<DynamodbBackend> {
  const databaseFile = path.join(stateDirectory, "dynamodb.sqlite");
  const server = await startDynoxide(databaseFile, (lastWords) =>
    onNotice?.(`The DynamoDB server ended: ${lastWords || "without a word"}. Start the local cloud again.`),
  );
  try {
    indexStreams(databaseFile);
  } catch (error) {
    await server.close();
    throw error;
  }
  return server;
}

class DynamodbFront implements DynamodbService {
  readonly name = "dynamodb";
  readonly streams: TableStreams;
  readonly #options: DynamodbOptions;
  readonly #server: DynamodbBackend;
  readonly #backend: BackendCalls;
  readonly #times: StreamTimes;
  readonly #guard: ItemGuard;
  readonly #tables = new Map<string, TableDefinition>();
  readonly #keyNames = new Map<string, readonly string[]>();
  readonly #counts = new Map<string, number>();
  /** By the body's buffer: gateway, fault rig and handler ask about the same call one after the other. */
  readonly #calls = new WeakMap<Buffer, ReadCall>();
  readonly #arnPrefix: string;

  constructor(options: DynamodbOptions, server: DynamodbBackend) {
    this.#options = options;
    this.#server = server;
    this.#backend = new BackendCalls(server.url);
    const { clock = new Clock(), region, authorize } = options;
    this.#times = new StreamTimes(clock, options.stateDirectory);
    this.#guard = new ItemGuard(clock);
    this.#arnPrefix = `arn:aws:dynamodb:${options.region}:${options.accountId}:`;
    this.streams = new TableStreams({
      ...{ backend: this.#backend, times: this.#times, clock, region, authorize },
      authorizeKey: (principal, tableName) => this.#authorizeKey(principal, tableName),
    });
  }

  operationOf({ headers }: Pick<ServiceRequest, "headers">): string {
    const target = headers["x-amz-target"] ?? "";
    return target.startsWith(targetPrefix) ? target.slice(targetPrefix.length) : "Unknown";
  }

  resourceOf(request: Pick<ServiceRequest, "headers" | "bodyBytes">): string {
    const { input, items } = this.#read(request);
    return resourceText(items, input);
  }

  async handle(request: ServiceRequest): Promise<ServiceResponse> {
    const call = this.#read(request);
    this.#count(call);
    this.#authorize(request.principal, call);
    const { operation, input, items } = call;
    // Transactions stand in nobody's way who only reads, unless by a transaction.
    const canConflict = isWrite(items) || operation === "TransactGetItems";
    if (request.fault?.kind === "transaction-conflict" && canConflict) {
      return refuse("TransactionConflict", operation, input, items, new Set([0]));
    }
    const refused = this.#guard.refusal(operation, items);
    if (refused) return refuse(refused.refusal, operation, input, items, refused.at);
    const leave = await this.#guard.enter(operation, items);
    try {
      return isWrite(items) ? await this.#write(call, request) : await this.#readItems(operation, request);
    } finally {
      leave();
    }
  }

  renderError(error: ServiceError): ServiceResponse {
    const isRefusal = error.code === "AccessDenied";
    const code = isRefusal ? "AccessDeniedException" : error.code;
    return {
      status: isRefusal ? 400 : error.status,
      headers: { "content-type": contentType },
      body: JSON.stringify({ __type: code, message: error.message, ...error.details }),
    };
  }

  throttlingError(): ServiceError {
    return new ServiceError(
      400,
      "ProvisionedThroughputExceededException",
      "The level of configured provisioned throughput for the table was exceeded.",
    );
  }

  async addTable(definition: TableDefinition): Promise<void> {
    const { tableName, streamViewType: viewType, streamArn } = definition;
    await ensureTable(definition, (operation, input) => this.#backend.call("DynamoDB_20120810", operation, input));
    this.#tables.set(tableName, definition);
    this.#keyNames.set(tableName, keyNamesOf(definition));
    if (viewType === undefined || streamArn === undefined) return;
    this.streams.add({ tableName, streamArn, viewType, partitionKey: partitionKeyOf(definition) ?? "" });
  }

  calls(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counts);
  }

  simulate(simulation: ItemSimulation): void {
    this.#guard.simulate(simulation);
  }

  async close(): Promise<void> {
    this.#guard.simulate({});
    this.#backend.close();
    await this.#server.close();
    this.#times.close();
  }

  #read(request: Pick<ServiceRequest, "headers" | "bodyBytes">): ReadCall {
    const known = this.#calls.get(request.bodyBytes);
    if (known) return known;
    const operation = this.operationOf(request);
    const input = parse(request.bodyBytes);
    const items = touchedItems(operation, input, (tableName) => this.#keyNames.get(tableName) ?? []);
    const call = { operation, input, items };
    this.#calls.set(request.bodyBytes, call);
    return call;
  }

  #count({ operation, input, items }: ReadCall): void {
    const name = `${operation} ${tablesText(items, input)}`;
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
  }

  #authorize(principal: ServiceRequest["principal"], { operation, input }: ReadCall): void {
    const needed = requiredPermissions(operation, input, (tableName, indexName) => {
      const definition = this.#tables.get(tableName);
      return definition && partitionKeyOf(definition, indexName);
    });
    if (!needed) {
      const message = `The local cloud does not know dynamodb:${operation}; it knows ${knownOperations.join(", ")}.`;
      throw new ServiceError(400, "UnknownOperationException", message);
    }
    for (const permission of needed) this.#authorizeOne(principal, permission);
  }

  #authorizeOne(principal: ServiceRequest["principal"], needed: RequiredPermission): void {
    if (!principal) throw new ServiceError(400, "MissingAuthenticationTokenException", "The request is not signed.");
    const { tableName, indexName, leadingKey } = needed;
    const table = `${this.#arnPrefix}table/${tableName}`;
    const resource = tableName === undefined ? "*" : indexName === undefined ? table : `${table}/index/${indexName}`;
    const context: Record<string, string> = leadingKey === undefined ? {} : { "dynamodb:LeadingKeys": leadingKey };
    this.#options.authorize(principal, needed.action, resource, context);
    if (!operationsOnTables.has(needed.action)) this.#authorizeKey(principal, tableName ?? "");
  }

  /** DynamoDB unwraps the table's key in the caller's name ("How Amazon DynamoDB uses AWS KMS", Developer Guide). */
  #authorizeKey(principal: Parameters<Authorize>[0], tableName: string): void {
    const { kmsKeyArn } = this.#tables.get(tableName) ?? {};
    if (kmsKeyArn === undefined) return;
    this.#options.authorize(principal, "kms:Decrypt", kmsKeyArn, {
      "kms:ViaService": `dynamodb.${this.#options.region}.amazonaws.com`,
      "kms:CallerAccount": this.#options.accountId,
    });
  }

  async #readItems(operation: string, request: ServiceRequest): Promise<ServiceResponse> {
    const { bodyBytes, headers, signal } = request;
    const answer = await this.#backend.forward(targetPrefix + operation, bodyBytes, headers, signal);
    return operationsWithArns.has(operation) ? this.#withArns(answer) : answer;
  }

  /** A write that has begun is done, whether its caller still waits or not. */
  async #write({ operation, input, items }: ReadCall, request: ServiceRequest): Promise<ServiceResponse> {
    const tableNames = [...new Set(items.map(({ tableName }) => tableName))];
    const adds = this.#guard.countsUnits && input.ReturnConsumedCapacity === undefined;
    const body = adds ? Buffer.from(JSON.stringify({ ...input, ReturnConsumedCapacity: "TOTAL" })) : request.bodyBytes;
    await this.streams.beforeWrite(tableNames);
    try {
      const answer = await this.#backend.forward(targetPrefix + operation, body, request.headers);
      if (!this.#guard.countsUnits) return answer;
      const { ConsumedCapacity: consumed, ...output } = JSON.parse(String(answer.body)) as Record<string, unknown>;
      this.#guard.charge(items, unitsOf(consumed));
      if (!adds || consumed === undefined) return answer;
      return { status: answer.status, headers: { "content-type": contentType }, body: JSON.stringify(output) };
    } finally {
      this.streams.afterWrite(tableNames);
    }
  }

  #withArns(answer: BackendAnswer): ServiceResponse {
    const text = answer.body
      .toString("utf8")
      .replace(/arn:aws:dynamodb:[^:"]*:[^:"]*:table\/([^/"]+)\/stream\/[^"]*/g, (whole, tableName: string) => {
        return this.#tables.get(tableName)?.streamArn ?? whole;
      })
      .replace(/arn:aws:dynamodb:[^:"]*:[^:"]*:/g, this.#arnPrefix);
    // The server's checksum was of the other text.
    return { status: answer.status, headers: { "content-type": contentType }, body: text };
  }
}

function isWrite(items: readonly TouchedItem[]): boolean {
  return items.some(({ access }) => access === "write");
}

/** Of one table, or of several in a list. A write that was refused costs something too: its caller charges at least one. */
function unitsOf(consumed: unknown): number {
  const all: readonly unknown[] = Array.isArray(consumed) ? consumed : [consumed];
  return all.reduce<number>(
    (sum, one) => sum + Number((one as { CapacityUnits?: number } | null)?.CapacityUnits ?? 0),
    0,
  );
}

function parse(body: Buffer): JsonInput {
  try {
    const parsed: unknown = JSON.parse(body.toString("utf8"));
    if (typeof parsed === "object" && parsed !== null && !Array.isArray(parsed)) return parsed as JsonInput;
  } catch {
    // Falls through to the one refusal below: the caller learns the same either way.
  }
  throw new ServiceError(400, "SerializationException", "The body is not a JSON object.");
}
