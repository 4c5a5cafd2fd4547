// What functions print: kept in files and shown to whoever listens, as far as the function's role may write logs.
import { type Authorize, ServiceError } from "../gateway/service.ts";
import type { FunctionDefinition } from "./function-definition.ts";
import { LogFiles } from "./log-files.ts";

export interface FunctionLogsOptions {
  readonly directory: string;
  readonly region: string;
  readonly accountId: string;
  readonly authorize: Authorize;
  readonly onLog?: (functionName: string, line: string) => void;
  readonly onNotice?: (sentence: string) => void;
}

export class FunctionLogs {
  readonly #options: FunctionLogsOptions;
  readonly #files: LogFiles;
  /** By function ARN, asked once: Lambda opens one log stream and goes on with it. */
  readonly #allowed = new Map<string, boolean>();

  constructor(options: FunctionLogsOptions) {
    this.#options = options;
    this.#files = new LogFiles(options.directory);
  }

  write(definition: FunctionDefinition, line: string): void {
    if (!this.#mayWrite(definition)) return;
    this.#files.write(definition.name, line);
    this.#options.onLog?.(definition.name, line);
  }

  close(): void {
    this.#files.flush();
  }

  #mayWrite(definition: FunctionDefinition): boolean {
    const known = this.#allowed.get(definition.arn);
    if (known !== undefined) return known;
    const { region, accountId, authorize } = this.#options;
    const stream = `arn:aws:logs:${region}:${accountId}:log-group:${definition.logGroupName}:log-stream:local`;
    let allowed = true;
    try {
      authorize(definition.credentials, "logs:CreateLogStream", stream);
      authorize(definition.credentials, "logs:PutLogEvents", stream);
    } catch (error) {
      if (!(error instanceof ServiceError)) throw error;
      allowed = false;
      this.#options.onNotice?.(`What ${definition.name} prints is lost: ${error.message}`);
    }
    this.#allowed.set(definition.arn, allowed);
    return allowed;
  }
}
