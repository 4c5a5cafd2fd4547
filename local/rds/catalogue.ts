// The databases and snapshots of the account, and the files that hold their data.
import { createHash } from "node:crypto";
import { constants, copyFileSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import path from "node:path";
import type { DurableMap } from "../gateway/durable-state.ts";
import type { ServiceContext } from "../gateway/service.ts";
import { familyOf } from "./engines.ts";
import { adoptFile, type NewTable, writeTables } from "./source-data.ts";

export const snapshotTypes = ["automated", "manual", "awsbackup", "shared", "public"] as const;
export type SnapshotType = (typeof snapshotTypes)[number];

export interface NewDatabase {
  /** Lower-case letters, digits and hyphens. */
  readonly databaseId: string;
  readonly engine: string;
  readonly engineVersion: string;
  /** Default: engines whose name begins with "aurora" are. */
  readonly isCluster?: boolean;
  /** Neither these nor a file: the database is empty. */
  readonly tables?: readonly NewTable[];
  /** Its tables are called `database.table` (MySQL, MariaDB) or `database.schema.table` (PostgreSQL). */
  readonly sqliteFile?: string;
  /** Default 20. */
  readonly allocatedStorageGb?: number;
  /** Default gp3. Snapshots of "standard" (magnetic) cannot be exported. */
  readonly storageType?: string;
}

export interface NewSnapshot {
  readonly databaseId: string;
  /** Automated ones begin with `rds:`, those of AWS Backup with `awsbackup:`. */
  readonly snapshotId: string;
  /** Default manual. */
  readonly type?: SnapshotType;
  /** Default now. */
  readonly createdAtMilliseconds?: number;
  /** SnapshotDatabaseTime, which only DB snapshots have; default as created, null: not given. */
  readonly databaseTimeMilliseconds?: number | null;
  /** Default "available". */
  readonly status?: string;
  /** Default true. */
  readonly encrypted?: boolean;
  /** Default: of the data as it is. */
  readonly fullSizeBytes?: number;
  /** Default 100. */
  readonly percentProgress?: number;
  /** Of a shared or public one. Default: another account. */
  readonly ownerAccountId?: string;
  /** Default: the database's. */
  readonly storageType?: string;
}

export interface Database {
  readonly databaseId: string;
  readonly arn: string;
  /** `db-…` or `cluster-…`: stays when a database is renamed. */
  readonly resourceId: string;
  readonly engine: string;
  readonly engineVersion: string;
  readonly isCluster: boolean;
  readonly allocatedStorageGb: number;
  readonly storageType: string;
  readonly createdAtMilliseconds: number;
}

export interface Snapshot {
  readonly arn: string;
  readonly snapshotId: string;
  readonly database: Database;
  readonly type: SnapshotType;
  readonly createdAtMilliseconds: number;
  readonly databaseTimeMilliseconds: number | null;
  readonly status: string;
  readonly encrypted: boolean;
  readonly fullSizeBytes: number;
  readonly percentProgress: number;
  readonly storageType: string;
  /** Name in the folder of snapshots' data. */
  readonly dataFile: string;
}

const otherAccountId = "999900001111";
const idPattern = /^(?:rds:|awsbackup:)?[a-z][a-z0-9]*(?:-[a-z0-9]+)*$/;

export class Catalogue {
  readonly #context: ServiceContext;
  readonly #databases: DurableMap<Database>;
  readonly #snapshots: DurableMap<Snapshot>;
  readonly #databaseFolder: string;
  readonly #snapshotFolder: string;

  constructor(context: ServiceContext, databases: DurableMap<Database>, snapshots: DurableMap<Snapshot>) {
    this.#context = context;
    this.#databases = databases;
    this.#snapshots = snapshots;
    this.#databaseFolder = path.join(context.stateDirectory, "databases");
    this.#snapshotFolder = path.join(context.stateDirectory, "snapshots");
    for (const folder of [this.#databaseFolder, this.#snapshotFolder]) mkdirSync(folder, { recursive: true });
  }

  get databases(): readonly Database[] {
    return this.#databases.values();
  }

  get snapshots(): readonly Snapshot[] {
    return this.#snapshots.values();
  }

  findSnapshot(arn: string): Snapshot | undefined {
    return this.#snapshots.get(arn);
  }

  /** Keeps what is there. Throws an Error when it is of another engine or kind. */
  ensureDatabase(wanted: NewDatabase): Database & { readonly created: boolean } {
    const { databaseId, engine } = wanted;
    if (!/^[a-z][a-z0-9]*(?:-[a-z0-9]+)*$/.test(databaseId) || databaseId.length > 63) {
      throw new Error(`${databaseId} is no identifier of a database: lower-case letters, digits and single hyphens.`);
    }
    const isCluster = wanted.isCluster ?? engine.startsWith("aurora");
    const existing = this.#databases.get(databaseId);
    if (existing && (existing.engine !== engine || existing.isCluster !== isCluster)) {
      throw new Error(`${databaseId} exists already, and is ${existing.engine}.`);
    }
    if (existing) return { ...existing, created: false };
    this.#writeData(wanted);
    const database: Database = {
      databaseId,
      arn: this.#arn(isCluster ? "cluster" : "db", databaseId),
      resourceId: `${isCluster ? "cluster" : "db"}-${hash(databaseId).slice(0, 26).toUpperCase()}`,
      engine,
      engineVersion: wanted.engineVersion,
      isCluster,
      allocatedStorageGb: wanted.allocatedStorageGb ?? 20,
      storageType: wanted.storageType ?? (isCluster ? "aurora" : "gp3"),
      createdAtMilliseconds: Math.floor(this.#context.clock.now()),
    };
    this.#databases.set(databaseId, database);
    return { ...database, created: true };
  }

  /** The same once more changes nothing. Throws an Error for an unknown database, a bad id, or one that is taken. */
  addSnapshot(wanted: NewSnapshot): Snapshot {
    const { databaseId, snapshotId, type = "manual" } = wanted;
    const database = this.#databases.get(databaseId);
    if (!database) throw new Error(`There is no database ${databaseId} to take a snapshot of.`);
    if (!idPattern.test(snapshotId)) throw new Error(`${snapshotId} is no identifier of a snapshot.`);
    const isForeign = type === "shared" || type === "public";
    const owner = isForeign ? (wanted.ownerAccountId ?? otherAccountId) : this.#context.accountId;
    const arn = this.#arn(database.isCluster ? "cluster-snapshot" : "snapshot", snapshotId, owner);
    const existing = this.#snapshots.get(arn);
    if (existing && existing.database.databaseId !== databaseId) {
      throw new Error(`${snapshotId} exists already, of ${existing.database.databaseId}.`);
    }
    if (existing) return existing;
    const createdAtMilliseconds = Math.floor(wanted.createdAtMilliseconds ?? this.#context.clock.now());
    const dataFile = `${hash(`${arn} ${createdAtMilliseconds}`).slice(0, 32)}.sqlite`;
    this.#pinData(databaseId, dataFile);
    const snapshot: Snapshot = {
      arn,
      snapshotId,
      database,
      type,
      createdAtMilliseconds,
      databaseTimeMilliseconds:
        wanted.databaseTimeMilliseconds === undefined ? createdAtMilliseconds : wanted.databaseTimeMilliseconds,
      status: wanted.status ?? "available",
      encrypted: wanted.encrypted ?? true,
      fullSizeBytes: wanted.fullSizeBytes ?? statSync(this.dataPath(dataFile)).size,
      percentProgress: wanted.percentProgress ?? 100,
      storageType: wanted.storageType ?? database.storageType,
      dataFile,
    };
    this.#snapshots.set(arn, snapshot);
    return snapshot;
  }

  /** By id or ARN; undefined where there is none. Its data stays until `dropUnusedData`. */
  removeSnapshot(snapshotIdOrArn: string): Snapshot | undefined {
    const found = this.snapshots.find(
      ({ snapshotId, arn }) => snapshotId === snapshotIdOrArn || arn === snapshotIdOrArn,
    );
    if (found) this.#snapshots.delete(found.arn);
    return found;
  }

  /** `inUse`: data files to be kept even where no snapshot has them any more. */
  dropUnusedData(inUse: ReadonlySet<string>): void {
    const named = new Set(this.snapshots.map(({ dataFile }) => dataFile));
    for (const file of readdirSync(this.#snapshotFolder)) {
      if (!named.has(file) && !inUse.has(file)) rmSync(this.dataPath(file), { force: true });
    }
  }

  dataPath(dataFile: string): string {
    return path.join(this.#snapshotFolder, dataFile);
  }

  #writeData(wanted: NewDatabase): void {
    const family = familyOf(wanted.engine);
    const file = path.join(this.#databaseFolder, `${wanted.databaseId}.sqlite`);
    if (wanted.tables && wanted.sqliteFile)
      throw new Error(`${wanted.databaseId}: give tables or a SQLite file, not both.`);
    if ((wanted.tables || wanted.sqliteFile) && !family) {
      throw new Error(`${wanted.databaseId}: the local cloud holds no data of ${wanted.engine}.`);
    }
    if (wanted.sqliteFile && family) adoptFile(file, wanted.sqliteFile, family, wanted.databaseId.replaceAll("-", "_"));
    else writeTables(file, wanted.tables ?? [], family ?? "postgres");
  }

  #pinData(databaseId: string, dataFile: string): void {
    const target = this.dataPath(dataFile);
    if (existsSync(target)) return;
    const unfinished = `${target}.part`;
    copyFileSync(path.join(this.#databaseFolder, `${databaseId}.sqlite`), unfinished, constants.COPYFILE_FICLONE);
    renameSync(unfinished, target);
  }

  #arn(kind: string, id: string, accountId = this.#context.accountId): string {
    return `arn:aws:rds:${this.#context.region}:${accountId}:${kind}:${id}`;
  }
}

function hash(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
