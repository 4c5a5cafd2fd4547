// What the stand-in knows: instances, their backups, and which object each backup is on the download server.
import { createHash } from "node:crypto";
import type { Clock } from "../rig/clock.ts";
import { type BackupBody, type BackupContent, openBody } from "./backup-body.ts";
import type { ChecksumCache } from "./checksum-cache.ts";

export interface NewInstance {
  /** `rm-…` */
  readonly instanceId: string;
  readonly engine: "MySQL" | "MariaDB" | "PostgreSQL" | "SQLServer";
  readonly engineVersion: string;
  /** Default cn-hangzhou. */
  readonly regionId?: string;
  readonly description?: string;
  /** `Running` by default. */
  readonly status?: string;
  /** A deleted instance: only DescribeDetachedBackups shows its backups. */
  readonly deleted?: boolean;
}

export type Instance = Required<NewInstance>;

/** Defaults describe a healthy physical full backup made by the system. Names and values as in DescribeBackups. */
export interface NewBackup {
  readonly instanceId: string;
  /** Numeric text in Aliyun. Unique in the stand-in. */
  readonly backupId: string;
  /** Last part of the object's key; any characters but "/". Default `hins…_data_<yyyyMMddHHmmss>.xb`. */
  readonly fileName?: string;
  /** Absent: nothing to download, the URLs are null. */
  readonly content?: BackupContent;
  /** `BackupSize` as listed, where it is not the size of the content. */
  readonly listedSizeBytes?: number;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  /** Default one minute after `startedAt`. */
  readonly endedAt?: number;
  readonly backupMethod?: "Physical" | "Logical" | "Snapshot";
  readonly backupMode?: "Automated" | "Manual";
  readonly backupStatus?: "Success" | "Failed";
  readonly backupType?: "FullBackup" | "IncrementalBackup";
  readonly isAvail?: 0 | 1;
  readonly metaStatus?: "OK" | "LARGE" | "EMPTY" | "";
  readonly storageClass?: "0" | "1";
  readonly storeStatus?: "Enabled" | "Disabled";
  readonly hostInstanceId?: string;
  /** JSON text; "{}" means not encrypted. */
  readonly encryption?: string;
  /** Milliseconds since 1970. Default seven days after `endedAt`. */
  readonly expiresAt?: number;
  /** Epoch seconds; 0 unless MySQL 5.6. */
  readonly consistentTime?: number;
  /** `Checksum` in the listing: the true CRC-64/XZ (default), nothing, or this (wrong) text. */
  readonly checksum?: "computed" | "empty" | { readonly text: string };
  /** Whether downloads carry x-oss-hash-crc64ecma. Default true. */
  readonly crcHeader?: boolean;
  /** Slows this backup's downloads down; overrides the server's own setting. */
  readonly bytesPerSecondPerConnection?: number;
  /** Cloud time before each answer; overrides the server's own setting. */
  readonly latencyMilliseconds?: number;
}

export interface Backup extends Readonly<Required<Omit<NewBackup, OptionalFields>>>, Pick<NewBackup, OptionalFields> {
  readonly instance: Instance;
  readonly objectKey: string;
  /** Undefined where there is nothing to download. */
  readonly body: BackupBody | undefined;
  /** Last-Modified of the object, milliseconds since 1970. */
  readonly modifiedAt: number;
}

type OptionalFields = "content" | "listedSizeBytes" | "bytesPerSecondPerConnection" | "latencyMilliseconds";

/** Far above any test's need; keeps a runaway loop from eating the memory. */
const mostBackups = 100_000;
const millisecondsPerDay = 86_400_000;

export class Catalogue {
  readonly #instances = new Map<string, Instance>();
  readonly #backups = new Map<string, Backup>();
  readonly #byObjectKey = new Map<string, string>();
  readonly #cache: ChecksumCache;
  readonly #clock: Clock;
  /** Each replacement's content differs from the one before. */
  #replacements = 0;

  constructor(cache: ChecksumCache, clock: Clock) {
    this.#cache = cache;
    this.#clock = clock;
  }

  addInstance(instance: NewInstance): Instance {
    if (this.#instances.has(instance.instanceId)) throw new Error(`Instance ${instance.instanceId} exists already.`);
    const complete: Instance = {
      regionId: "cn-hangzhou",
      description: "",
      status: "Running",
      deleted: false,
      ...instance,
    };
    this.#instances.set(instance.instanceId, complete);
    return complete;
  }

  instance(instanceId: string): Instance | undefined {
    return this.#instances.get(instanceId);
  }

  instances(): Instance[] {
    return [...this.#instances.values()];
  }

  /** Reads the content's size; its CRC-64 too where the listing shows it. Throws a sentence on a bad file. */
  async addBackup(given: NewBackup): Promise<Backup> {
    const instance = this.#instances.get(given.instanceId);
    if (!instance) throw new Error(`Instance ${given.instanceId} is not there; add it before its backups.`);
    if (this.#backups.size >= mostBackups) throw new Error(`The stand-in holds at most ${mostBackups} backups.`);
    const complete = withDefaults(given);
    const objectKey = `custins${digits(given.instanceId)}/${complete.fileName}`;
    if (complete.fileName.includes("/") || complete.fileName === "") {
      throw new Error(`"${complete.fileName}" cannot be the file name of a backup.`);
    }
    const body = given.content && (await openBody(given.content, this.#cache));
    if (this.#backups.has(given.backupId)) throw new Error(`Backup ${given.backupId} exists already.`);
    if (this.#byObjectKey.has(objectKey)) throw new Error(`A backup named ${complete.fileName} exists already.`);
    const backup: Backup = { ...complete, instance, objectKey, body, modifiedAt: body?.modifiedAt ?? complete.endedAt };
    this.#backups.set(backup.backupId, backup);
    this.#byObjectKey.set(objectKey, backup.backupId);
    if (backup.checksum === "computed") await body?.crc64();
    return backup;
  }

  backup(backupId: string): Backup | undefined {
    return this.#backups.get(backupId);
  }

  /** Newest first, as Aliyun lists them. */
  backupsOf(isWanted: (backup: Backup) => boolean): Backup[] {
    return [...this.#backups.values()]
      .filter(isWanted)
      .sort((left, right) => right.startedAt - left.startedAt || (left.backupId < right.backupId ? 1 : -1));
  }

  /** The object as it is now: a file that was changed on disk since has become another version. */
  async object(objectKey: string): Promise<Backup | undefined> {
    const backup = this.backupOfObject(objectKey);
    const isCurrent = await backup?.body?.isCurrent();
    if (!backup?.body || isCurrent === undefined) return undefined;
    return isCurrent || !backup.content ? backup : this.replaceBackup(backup.backupId, backup.content);
  }

  /** Without a look at the disk. */
  backupOfObject(objectKey: string): Backup | undefined {
    return this.#backups.get(this.#byObjectKey.get(objectKey) ?? "");
  }

  /** Swaps the bytes, and with them size, ETag and sums; id, name and dates of the backup stay. */
  async replaceBackup(backupId: string, content: BackupContent): Promise<Backup> {
    const present = this.#backups.get(backupId);
    if (!present) throw new Error(`Backup ${backupId} is not there.`);
    const body = await openBody(content, this.#cache);
    const replaced: Backup = { ...present, content, body, modifiedAt: body.modifiedAt ?? this.#clock.now() };
    this.#backups.set(backupId, replaced);
    return replaced;
  }

  /** Replaces the bytes by others of the same size, or of three quarters of it (see the fault `replace-source`). */
  replaceWithOther(backupId: string, how: "same-size" | "shorter"): Promise<Backup> {
    const presentBytes = this.#backups.get(backupId)?.body?.sizeBytes ?? 0;
    const sizeBytes = how === "same-size" ? presentBytes : Math.floor(presentBytes * 0.75);
    this.#replacements += 1;
    return this.replaceBackup(backupId, { seed: this.#replacements, sizeBytes });
  }

  /** The backup leaves the listing and its object is gone, as when Aliyun's retention ends. */
  removeBackup(backupId: string): void {
    const present = this.#backups.get(backupId);
    if (!present) throw new Error(`Backup ${backupId} is not there.`);
    this.#backups.delete(backupId);
    this.#byObjectKey.delete(present.objectKey);
  }
}

function withDefaults(given: NewBackup): Omit<Backup, "instance" | "objectKey" | "body" | "modifiedAt"> {
  const endedAt = given.endedAt ?? given.startedAt + 60_000;
  const stamp = new Date(given.startedAt).toISOString().replace(/\D/g, "").slice(0, 14);
  const hostInstanceId = given.hostInstanceId ?? digits(given.instanceId);
  return {
    fileName: `hins${hostInstanceId}_data_${stamp}.xb`,
    backupMethod: "Physical",
    backupMode: "Automated",
    backupStatus: "Success",
    backupType: "FullBackup",
    isAvail: 1,
    metaStatus: "OK",
    storageClass: "0",
    storeStatus: "Disabled",
    encryption: "{}",
    expiresAt: endedAt + 7 * millisecondsPerDay,
    consistentTime: 0,
    checksum: "computed",
    crcHeader: true,
    ...given,
    endedAt,
    hostInstanceId,
  };
}

/** Aliyun's inner numbers for an instance: eight digits, always the same for the same id. */
function digits(instanceId: string): string {
  return String(10_000_000 + (createHash("sha256").update(instanceId).digest().readUInt32BE(0) % 90_000_000));
}
