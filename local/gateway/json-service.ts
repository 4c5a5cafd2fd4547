// What the AWS JSON protocols (1.0 and 1.1) have in common: a target header, a JSON body, a `__type` in errors.
import type { LocalService, Principal, ServiceRequest } from "./service.ts";
import { ServiceError } from "./service.ts";

export interface JsonCall {
  readonly principal: Principal;
  readonly request: ServiceRequest;
}

export type JsonInput = Readonly<Record<string, unknown>>;

export type JsonOperation = (input: JsonInput, call: JsonCall) => Promise<object> | object;

export interface JsonServiceDefinition {
  /** Credential-scope name. */
  readonly name: string;
  readonly version: "1.0" | "1.1";
  /** What stands before the dot in `x-amz-target`. */
  readonly targetPrefix: string;
  readonly operations: Readonly<Record<string, JsonOperation>>;
  /** The thing a call acts upon, for faults. */
  resourceOf?(input: JsonInput): string;
  readonly throttling?: { readonly status: number; readonly code: string };
  close?(): Promise<void>;
}

/** Operations that the definition lacks are refused by name, with UnknownOperationException. */
export function jsonService(definition: JsonServiceDefinition): LocalService {
  const contentType = `application/x-amz-json-${definition.version}`;
  const operationOf: LocalService["operationOf"] = ({ headers }) => {
    const [prefix, operation] = (headers["x-amz-target"] ?? "").split(".");
    return prefix === definition.targetPrefix && operation ? operation : "Unknown";
  };
  return {
    name: definition.name,
    operationOf,
    resourceOf: ({ bodyBytes }) => definition.resourceOf?.(parseBody(bodyBytes)) ?? "",
    async handle(request) {
      const name = operationOf(request);
      const operation = definition.operations[name];
      if (!operation) {
        throw new ServiceError(
          400,
          "UnknownOperationException",
          `The local cloud does not know ${definition.name}:${request.headers["x-amz-target"] ?? "(no x-amz-target)"}; ` +
            `it knows ${Object.keys(definition.operations).join(", ")}.`,
        );
      }
      if (!request.principal) throw new ServiceError(403, "AccessDeniedException", "The request is not signed.");
      const output = await operation(parseBody(request.bodyBytes), { principal: request.principal, request });
      return { status: 200, headers: { "content-type": contentType }, body: JSON.stringify(output) };
    },
    renderError: (error) => {
      // The permission check's AccessDenied (S3's word, 403) is AccessDeniedException with status 400 in these protocols.
      const isRefusal = error.code === "AccessDenied";
      const code = isRefusal ? "AccessDeniedException" : error.code;
      return {
        status: isRefusal ? 400 : error.status,
        headers: { "content-type": contentType, "x-amzn-errortype": code },
        body: JSON.stringify({ __type: code, message: error.message, ...error.details }),
      };
    },
    throttlingError: () =>
      new ServiceError(
        definition.throttling?.status ?? 400,
        definition.throttling?.code ?? "ThrottlingException",
        "Rate exceeded",
      ),
    ...(definition.close ? { close: definition.close } : {}),
  };
}

function parseBody(bytes: Buffer): JsonInput {
  if (bytes.length === 0) return {};
  try {
    const parsed: unknown = JSON.parse(bytes.toString("utf8"));
    if (typeof parsed === "object" && parsed !== null && !Array.isArray(parsed)) return parsed as JsonInput;
  } catch {
    // Falls through to the one refusal below: the caller learns the same either way.
  }
  throw new ServiceError(400, "SerializationException", "The body is not a JSON object.");
}

/** A required string member, or the ValidationException AWS answers with. */
export function requiredString(input: JsonInput, member: string): string {
  const value = input[member];
  if (typeof value === "string" && value !== "") return value;
  throw new ServiceError(400, "ValidationException", `${member} is required and must be a non-empty string.`);
}

export function optionalString(input: JsonInput, member: string): string | undefined {
  const value = input[member];
  if (value === undefined || value === null) return undefined;
  if (typeof value === "string") return value;
  throw new ServiceError(400, "ValidationException", `${member} must be a string.`);
}
