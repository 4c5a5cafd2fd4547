// The port of file formats: how usage records are written, a few at a time, so that no file is ever in memory as a whole.
import type { UsageRecord } from "../counting/usage-record.ts";

/** Takes a file's bytes in their order; resolves when there is room for more. */
export interface ByteSink {
  write(bytes: Uint8Array): Promise<void>;
}

export interface RecordsWriter {
  write(records: readonly UsageRecord[]): Promise<void>;
  /** Writes what is still held back, and what ends the file. */
  finish(): Promise<void>;
}

export interface RecordsFormat {
  /** Also the ending of the file's name. */
  readonly name: string;
  readonly contentType: string;
  open(sink: ByteSink): RecordsWriter;
}
