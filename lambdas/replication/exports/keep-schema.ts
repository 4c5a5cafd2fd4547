// Keep schema: beside an export, the schema of its databases, read over a connection. Parquet alone has lost it.
import { CausewayError } from "../../shared/errors.ts";
import type { ConnectionTls, SchemaConnection, SchemaReader } from "../schemas/schema.ts";
import { schemaLimits } from "../schemas/schema.ts";
import type { SchemaOutcome } from "./export-receipt.ts";

export interface KeepSchemaInput {
  readonly prefix: string;
  readonly taskId: string;
  readonly connection: {
    readonly host: string;
    readonly port?: number | undefined;
    /** Empty: every one that is not the server's own. */
    readonly databases: readonly string[];
  };
}

export interface KeepSchemaPorts {
  credentials(): Promise<{ username: string; password: string; tls: ConnectionTls }>;
  open(connection: SchemaConnection): Promise<SchemaReader>;
  /** Writes the pieces as one object, whatever is there; throws what the pieces throw, and leaves nothing half-done. */
  write(key: string, pieces: AsyncIterable<string>): Promise<{ bytes: number; sha256: string }>;
  now(): number;
}

/** Of one database; what is larger is no schema that a person reads, or a server loads, with ease. */
const mostBytes = 256 * 1024 ** 2;
/** Payloads are limited; the file itself shows the rest. */
const mostOmitted = 100;
const longestOmission = 300;

/**
 * Of the outcome as JSON. It travels twice through the workflow, whose payloads end at 262,144 bytes: one that is larger
 * ends the export's execution where no Catch can take hold of it.
 */
const mostOutcomeBytes = 128 * 1024;

/** Throws `SchemaNotKept`, `SecretMissing`. */
export async function keepSchema(input: KeepSchemaInput, ports: KeepSchemaPorts): Promise<SchemaOutcome> {
  const { username, password, tls } = await ports.credentials();
  const { host, port, databases } = input.connection;
  if (tls.mode === "off" && !isSameMachine(host)) {
    throw new CausewayError(
      "SchemaNotKept",
      `The database's secret says "tls": "off", which is for a server on the same machine alone, and ${host} is another. Leave it out, or name the server's authority as "certificate".`,
    );
  }
  const reader = await ports.open({ host, port, username, password, tls });
  try {
    const names = databases.length > 0 ? databases : await reader.databases();
    if (names.length > schemaLimits.mostDatabases) throw tooMany(host, names.length);
    const capturedAt = new Date(ports.now()).toISOString();
    const files: Extract<SchemaOutcome, { kept: true }>["files"] = [];
    let omissionsLeft = mostOmitted;
    for (const database of names) {
      const omitted: string[] = [];
      const key = schemaKeyOf(input, database);
      const pieces = bounded(
        reader.read(database, (sentence) => {
          if (omissionsLeft-- > 0) omitted.push(sentence.slice(0, longestOmission));
        }),
        database,
      );
      const written = await ports.write(key, pieces);
      files.push({ database, key, ...written, omitted });
      if (Buffer.byteLength(JSON.stringify(files)) > mostOutcomeBytes) throw tooMany(host, names.length);
    }
    return { kept: true, kind: reader.kind, capturedAt, files };
  } finally {
    await reader.close();
  }
}

function tooMany(host: string, count: number): CausewayError {
  return new CausewayError(
    "SchemaNotKept",
    `${host} has ${count} databases, more than one receipt can name (at most ${schemaLimits.mostDatabases}); name those that matter in the stage's settings.`,
  );
}

function isSameMachine(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host);
}

/** Beside the export's own folder: what RDS writes and what is written here never meet. */
export function schemaKeyOf({ prefix, taskId }: Pick<KeepSchemaInput, "prefix" | "taskId">, database: string): string {
  return `${prefix}/schema/${taskId}/${encodeURIComponent(database)}.sql`;
}

async function* bounded(pieces: AsyncIterable<string>, database: string): AsyncGenerator<string> {
  let bytes = 0;
  for await (const piece of pieces) {
    bytes += Buffer.byteLength(piece);
    if (bytes > mostBytes)
      throw new CausewayError("SchemaNotKept", `The schema of ${database} has more than ${mostBytes} bytes.`);
    yield piece;
  }
}
