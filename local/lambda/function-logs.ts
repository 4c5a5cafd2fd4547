// What functions print: kept in files and handed on to CloudWatch, as far as the function's role may write logs.
import path from "node:path";
import { LogFile } from "../cloudwatch/log-store.ts";
import { type Authorize, ServiceError } from "../gateway/service.ts";
import type { FunctionDefinition } from "./function-definition.ts";

export interface FunctionLogsOptions {
  /** Exists already; one file per function lies here. */
  readonly directory: string;
  readonly region: string;
  readonly accountId: string;
  readonly authorize: Authorize;
  readonly onLine: (definition: FunctionDefinition, line: string) => void;
  readonly onNotice?: (sentence: string) => void;
}

export class FunctionLogs {
  readonly #options: FunctionLogsOptions;
  /** By function ARN. */
  readonly #files = new Map<string, LogFile>();
  /** By function ARN, asked once: Lambda opens one log stream and goes on with it. */
  readonly #allowed = new Map<string, boolean>();

  constructor(options: FunctionLogsOptions) {
    this.#options = options;
  }

  write(definition: FunctionDefinition, line: string): void {
    if (!this.#mayWrite(definition)) return;
    this.#fileOf(definition).append(line);
    this.#options.onLine(definition, line);
  }

  close(): void {
    for (const file of this.#files.values()) file.close();
    this.#files.clear();
  }

  #fileOf(definition: FunctionDefinition): LogFile {
    const known = this.#files.get(definition.arn);
    if (known) return known;
    const file = new LogFile(path.join(this.#options.directory, `${definition.name}.log`));
    this.#files.set(definition.arn, file);
    return file;
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
