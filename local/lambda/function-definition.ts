// A Lambda function as the template describes it, and what its process gets to see.
import { existsSync, statSync } from "node:fs";
import path from "node:path";
import type { Principal } from "../gateway/service.ts";

export interface FunctionDefinition {
  readonly name: string;
  readonly arn: string;
  /** `index.handler` */
  readonly handler: string;
  /** Folder of the asset. */
  readonly codeDirectory: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly memoryMb: number;
  readonly timeoutSeconds: number;
  /** Absent: it shares the account's unreserved concurrency. */
  readonly reservedConcurrency?: number;
  /** Invocations that one environment runs at the same time. Absent: one, as in Lambda's default. */
  readonly concurrentInvocations?: number;
  /** The function's role. */
  readonly credentials: Principal;
  readonly logGroupName: string;
  readonly asynchronous: AsynchronousSettings;
}

/** What Lambda does with an invocation of type Event that fails. */
export interface AsynchronousSettings {
  readonly retryAttempts: number;
  readonly maximumEventAgeSeconds: number;
  /** ARN of the queue that failed events are sent to. */
  readonly onFailureQueueArn?: string;
}

/** Lambda's own defaults for asynchronous invocations. */
export const asynchronousDefaults: AsynchronousSettings = { retryAttempts: 2, maximumEventAgeSeconds: 21_600 };

export interface HandlerPlace {
  readonly file: string;
  readonly exportName: string;
}

/** Undefined when no file of the asset fits the handler's name. */
export function findHandler(definition: FunctionDefinition): HandlerPlace | undefined {
  const dot = definition.handler.lastIndexOf(".");
  const base = path.join(definition.codeDirectory, definition.handler.slice(0, dot));
  const file = [".mjs", ".js", ".cjs"].map((extension) => base + extension).find(isFile);
  return file === undefined ? undefined : { file, exportName: definition.handler.slice(dot + 1) };
}

/**
 * The process's whole environment. Nothing of the machine's gets in, neither by variables nor through ~/.aws:
 * what a function needs must stand in the template.
 */
export function processEnvironment(
  definition: FunctionDefinition,
  place: { readonly region: string; readonly endpointUrl: string },
): Record<string, string> {
  const { credentials } = definition;
  return {
    ...definition.environment,
    AWS_REGION: place.region,
    AWS_DEFAULT_REGION: place.region,
    AWS_ACCESS_KEY_ID: credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    ...(credentials.sessionToken ? { AWS_SESSION_TOKEN: credentials.sessionToken } : {}),
    AWS_ENDPOINT_URL: place.endpointUrl,
    AWS_CONFIG_FILE: "/dev/null",
    AWS_SHARED_CREDENTIALS_FILE: "/dev/null",
    AWS_LAMBDA_FUNCTION_NAME: definition.name,
    AWS_LAMBDA_FUNCTION_VERSION: "$LATEST",
    AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(definition.memoryMb),
    ...concurrencyVariables(definition.concurrentInvocations ?? 1),
    AWS_LAMBDA_LOG_GROUP_NAME: definition.logGroupName,
    AWS_LAMBDA_LOG_STREAM_NAME: "local",
    AWS_EXECUTION_ENV: "AWS_Lambda_nodejs24.x",
    LAMBDA_TASK_ROOT: definition.codeDirectory,
    _HANDLER: definition.handler,
  };
}

/** By these the SDK and Powertools know that they have to keep invocations apart. */
function concurrencyVariables(invocations: number): Record<string, string> {
  if (invocations === 1) return { AWS_LAMBDA_INITIALIZATION_TYPE: "on-demand" };
  return {
    AWS_LAMBDA_INITIALIZATION_TYPE: "lambda-managed-instances",
    AWS_LAMBDA_MAX_CONCURRENCY: String(invocations),
  };
}

function isFile(file: string): boolean {
  return existsSync(file) && statSync(file).isFile();
}
