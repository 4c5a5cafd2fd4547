// DynamoDB for the local cloud: checks permission, then lets a DynamoDB-compatible server do the work unchanged.
import http from "node:http";
import path from "node:path";
import { flatten } from "../gateway/gateway.ts";
import type { JsonInput } from "../gateway/json-service.ts";
import {
  type Authorize,
  type LocalService,
  ServiceError,
  type ServiceRequest,
  type ServiceResponse,
} from "../gateway/service.ts";
import { type DynamodbBackend, startDynoxide } from "./dynoxide-process.ts";
import { knownOperations, type RequiredPermission, requiredPermissions } from "./required-permissions.ts";
import { type CallBackend, ensureTable, partitionKeyOf, type TableDefinition } from "./tables.ts";

export interface DynamodbOptions {
  readonly authorize: Authorize;
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
}

const targetPrefix = "DynamoDB_20120810.";
const contentType = "application/x-amz-json-1.0";
const mostConnections = 64;
/** Operations whose answers carry ARNs, which the server makes up for a region and account of its own. */
const operationsWithArns = new Set(["DescribeTable"]);
/** These touch no item, so no key. */
const operationsOnTables = new Set(["dynamodb:DescribeTable", "dynamodb:DescribeTimeToLive", "dynamodb:ListTables"]);

/** Throws an Error with a sentence where no server can be started. */
export async function startDynamodbService(options: DynamodbOptions): Promise<DynamodbService> {
  const backend: DynamodbBackend = options.endpoint
    ? { url: options.endpoint, close: async () => undefined }
    : await startDynoxide(path.join(options.stateDirectory, "dynamodb.sqlite"), (lastWords) =>
        options.onNotice?.(`The DynamoDB server ended: ${lastWords || "without a word"}. Start the local cloud again.`),
      );
  const agent = new http.Agent({ keepAlive: true, maxSockets: mostConnections });
  const tables = new Map<string, TableDefinition>();
  const arnPrefix = `arn:aws:dynamodb:${options.region}:${options.accountId}:`;

  const authorize = (principal: ServiceRequest["principal"], needed: RequiredPermission) => {
    if (!principal) throw new ServiceError(400, "MissingAuthenticationTokenException", "The request is not signed.");
    const { tableName, indexName, leadingKey } = needed;
    const table = `${arnPrefix}table/${tableName}`;
    const resource = tableName === undefined ? "*" : indexName === undefined ? table : `${table}/index/${indexName}`;
    options.authorize(principal, needed.action, resource, leadingKey ? { "dynamodb:LeadingKeys": leadingKey } : {});
    const { kmsKeyArn } = tables.get(tableName ?? "") ?? {};
    // DynamoDB unwraps the table's key in the caller's name ("How Amazon DynamoDB uses AWS KMS", Developer Guide).
    if (kmsKeyArn !== undefined && !operationsOnTables.has(needed.action)) {
      options.authorize(principal, "kms:Decrypt", kmsKeyArn, {
        "kms:ViaService": `dynamodb.${options.region}.amazonaws.com`,
        "kms:CallerAccount": options.accountId,
      });
    }
  };

  const callBackend: CallBackend = async (operation, input) => {
    const body = Buffer.from(JSON.stringify(input));
    const answer = await forward(backend.url, agent, operation, body, signedLikeAClient).catch((error: Error) => {
      throw new Error(`No DynamoDB server answers at ${backend.url}: ${error.message}`, { cause: error });
    });
    const output = JSON.parse(String(answer.body)) as Record<string, unknown>;
    if (answer.status === 200) return output;
    const code = String(output.__type).replace(/^.*#/, "");
    throw new ServiceError(answer.status, code, String(output.message ?? output.Message ?? code));
  };

  return {
    name: "dynamodb",
    operationOf,
    resourceOf: ({ bodyBytes }) => String(parse(bodyBytes).TableName ?? ""),
    async handle(request) {
      const operation = operationOf(request);
      const input = parse(request.bodyBytes);
      const needed = requiredPermissions(operation, input, (tableName, indexName) => {
        const definition = tables.get(tableName);
        return definition && partitionKeyOf(definition, indexName);
      });
      if (!needed) {
        const message = `The local cloud does not know dynamodb:${operation}; it knows ${knownOperations.join(", ")}.`;
        throw new ServiceError(400, "UnknownOperationException", message);
      }
      for (const permission of needed) authorize(request.principal, permission);
      const answer = await forward(backend.url, agent, operation, request.bodyBytes, request.headers, request.signal);
      return operationsWithArns.has(operation) ? withArns(answer, arnPrefix) : answer;
    },
    renderError(error) {
      const isRefusal = error.code === "AccessDenied";
      const code = isRefusal ? "AccessDeniedException" : error.code;
      return {
        status: isRefusal ? 400 : error.status,
        headers: { "content-type": contentType },
        body: JSON.stringify({ __type: code, message: error.message, ...error.details }),
      };
    },
    throttlingError: () =>
      new ServiceError(
        400,
        "ProvisionedThroughputExceededException",
        "The level of configured provisioned throughput for the table was exceeded.",
      ),
    async addTable(definition) {
      await ensureTable(definition, callBackend);
      tables.set(definition.tableName, definition);
    },
    async close() {
      agent.destroy();
      await backend.close();
    },
  };
}

function operationOf({ headers }: Pick<ServiceRequest, "headers">): string {
  const target = headers["x-amz-target"] ?? "";
  return target.startsWith(targetPrefix) ? target.slice(targetPrefix.length) : "Unknown";
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

/** The server wants a signature of the right form and does not check it; the gateway has. */
const signedLikeAClient: Readonly<Record<string, string>> = {
  authorization:
    "AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0",
  "x-amz-date": "20260101T000000Z",
};

function forward(
  url: string,
  agent: http.Agent,
  operation: string,
  body: Buffer,
  headers: Readonly<Record<string, string>>,
  signal?: AbortSignal,
): Promise<ServiceResponse & { readonly body: Buffer }> {
  return new Promise((resolve, reject) => {
    const outgoing = http.request(url, {
      method: "POST",
      agent,
      ...(signal ? { signal } : {}),
      headers: {
        "content-type": contentType,
        "content-length": body.length,
        "x-amz-target": targetPrefix + operation,
        authorization: headers.authorization ?? "",
        "x-amz-date": headers["x-amz-date"] ?? "",
      },
    });
    outgoing.once("error", reject);
    outgoing.once("response", (incoming) => {
      const chunks: Buffer[] = [];
      incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
      incoming.once("error", reject);
      incoming.once("end", () => {
        const { "content-type": type = contentType, "x-amz-crc32": crc } = flatten(incoming.headers);
        resolve({
          status: incoming.statusCode ?? 500,
          headers: { "content-type": type, ...(crc ? { "x-amz-crc32": crc } : {}) },
          body: Buffer.concat(chunks),
        });
      });
    });
    outgoing.end(body);
  });
}

function withArns(answer: ServiceResponse & { readonly body: Buffer }, arnPrefix: string): ServiceResponse {
  const text = answer.body.toString("utf8").replace(/arn:aws:dynamodb:[^:"]*:[^:"]*:/g, arnPrefix);
  // The server's checksum was of the other text.
  return { status: answer.status, headers: { "content-type": contentType }, body: text };
}
