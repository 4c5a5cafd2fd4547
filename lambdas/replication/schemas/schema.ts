// The port for where a database's schema is read over a connection: nothing but statements that read, all within limits.

export interface SchemaConnection {
  readonly host: string;
  /** Absent: the engine's own. */
  readonly port?: number | undefined;
  readonly username: string;
  readonly password: string;
  readonly tls: ConnectionTls;
}

export type ConnectionTls =
  /** The certificate must be one of Amazon RDS's. */
  | { readonly mode: "rds" }
  /** The certificate must be signed by this authority (PEM): a server of one's own. */
  | { readonly mode: "authority"; readonly certificate: string }
  /** Bare: for a server on the same machine alone. */
  | { readonly mode: "off" };

/** Something that the server did not show, with the reason. */
export type OnOmitted = (sentence: string) => void;

/** Errors (CausewayError): `SchemaNotKept`, with what the server said. */
export interface SchemaReader {
  /**
   * `schema`: statements that make the same tables, views and routines in an empty server.
   * `inventory`: a description for people; its first line says so.
   */
  readonly kind: "schema" | "inventory";
  /** Those of people, sorted; the server's own are left out. */
  databases(): Promise<string[]>;
  /** The text of one database in pieces; the same schema always gives the same text. */
  read(database: string, onOmitted: OnOmitted): AsyncIterable<string>;
  close(): Promise<void>;
}

export interface SchemaSource {
  open(connection: SchemaConnection): Promise<SchemaReader>;
}

export const schemaLimits = {
  connectMilliseconds: 10_000,
  /** For one statement; reading a catalogue takes milliseconds. */
  statementMilliseconds: 60_000,
  /** Somebody who alters a table holds it: not waited for long. */
  lockSeconds: 10,
  mostDatabases: 500,
  /** Of one kind, in one database. */
  mostObjects: 100_000,
} as const;
