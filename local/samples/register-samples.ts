// Puts the sample backups on the Aliyun stand-in: two that are genuine files, some odd ones, and those to be refused.
import type { AliyunStandIn } from "../aliyun-rds/aliyun-stand-in.ts";
import type { NewBackup } from "../aliyun-rds/catalogue.ts";
import { seededContent } from "../aliyun-rds/seeded-content.ts";
import { logicalDump } from "./logical-dump.ts";
import { physicalBackupFiles } from "./physical-backup.ts";
import { readTakenAt, writePhysicalSample } from "./sample-file.ts";
import { xbstream } from "./xbstream.ts";

export interface SampleOptions {
  /** Holds the big sample between starts, e.g. `.causeway/samples`. Made when missing. */
  readonly directory: string;
  /** Of the physical backup. Default 300 MiB, at least 1 MiB. */
  readonly sizeBytes?: number;
  /** Default 1. The same seed, size and folder give the same backups. */
  readonly seed?: number;
}

export interface Sample {
  readonly backupId: string;
  readonly instanceId: string;
  readonly fileName: string;
  /** What a copy job has to do with it. */
  readonly outcome: "copied" | "refused";
  /** A few words for people: what is special about it. */
  readonly about: string;
}

export const sampleInstances = {
  mysql: "rm-bp1samplemysql80",
  mariadb: "rm-bp1samplemariadb",
  /** Deleted: only DescribeDetachedBackups shows its backups. */
  deleted: "rm-bp1samplegone",
} as const;
export const sampleRegion = "cn-hangzhou";

/** Aliyun's inner number of the machine that the MariaDB backups come from; it is part of their names. */
const mariadbHost = "20480123";

const defaultSizeBytes = 300 * 1024 * 1024;
const smallBytes = 1024 * 1024;
const millisecondsPerHour = 3_600_000;

interface Plan extends Omit<NewBackup, "backupId" | "startedAt"> {
  /** At most 47, see sample-file.ts on how long they are used again. */
  readonly hoursAgo: number;
  readonly outcome: Sample["outcome"];
  readonly about: string;
}

/** Adds instances and backups. Throws a sentence when the disk is full or the folder cannot be written to. */
export async function registerSamples(aliyun: AliyunStandIn, options: SampleOptions): Promise<Sample[]> {
  const { directory, sizeBytes = defaultSizeBytes, seed = 1 } = options;
  const takenAt = await readTakenAt(directory, aliyun.clock.now());
  addInstances(aliyun);
  const plans = [
    ...(await genuine(directory, sizeBytes, seed, takenAt)),
    ...odd(seed, takenAt),
    ...toBeRefused(seed, takenAt),
  ];
  const samples: Sample[] = [];
  for (const [index, plan] of plans.entries()) {
    const { hoursAgo, outcome, about, ...backup } = plan;
    // A later taking is another set of backups, so it gets other ids.
    const backupId = `${takenAt / millisecondsPerHour}${String(index).padStart(2, "0")}`;
    const added = await aliyun.addBackup({ ...backup, backupId, startedAt: startOf(takenAt, hoursAgo) });
    samples.push({ backupId, instanceId: added.instanceId, fileName: added.fileName, outcome, about });
  }
  return samples;
}

function addInstances(aliyun: AliyunStandIn): void {
  const { mysql, mariadb, deleted } = sampleInstances;
  aliyun.addInstance({ instanceId: mysql, engine: "MySQL", engineVersion: "8.0", description: "sample MySQL" });
  aliyun.addInstance({ instanceId: mariadb, engine: "MariaDB", engineVersion: "10.6", description: "sample MariaDB" });
  aliyun.addInstance({
    instanceId: deleted,
    engine: "MySQL",
    engineVersion: "5.7",
    description: "deleted",
    deleted: true,
  });
}

async function genuine(directory: string, sizeBytes: number, seed: number, takenAt: number): Promise<Plan[]> {
  const file = await writePhysicalSample(directory, { sizeBytes, seed, startedAt: startOf(takenAt, 3) });
  const { gzipped } = logicalDump(seed, startOf(takenAt, 5));
  return [
    {
      instanceId: sampleInstances.mysql,
      hoursAgo: 3,
      content: { file },
      outcome: "copied",
      about: "physical, xbstream",
    },
    {
      instanceId: sampleInstances.mariadb,
      hostInstanceId: mariadbHost,
      hoursAgo: 5,
      content: { bytes: gzipped },
      fileName: `hins${mariadbHost}_data_${stamp(startOf(takenAt, 5))}.sql.gz`,
      backupMethod: "Logical",
      outcome: "copied",
      about: "logical dump, gzip",
    },
  ];
}

/** Small and unusual, but to be copied all the same. */
function odd(seed: number, takenAt: number): Plan[] {
  const { mariadb, deleted } = sampleInstances;
  return [
    {
      instanceId: mariadb,
      hostInstanceId: mariadbHost,
      hoursAgo: 30,
      content: { bytes: smallContainer(seed + 1, startOf(takenAt, 30)) },
      checksum: "empty",
      outcome: "copied",
      about: "no Checksum in the listing",
    },
    {
      instanceId: mariadb,
      hostInstanceId: mariadbHost,
      hoursAgo: 31,
      content: { bytes: Buffer.from("\n") },
      fileName: `hins${mariadbHost}_data_${stamp(startOf(takenAt, 31))}.sql`,
      backupMethod: "Logical",
      backupMode: "Manual",
      outcome: "copied",
      about: "one byte",
    },
    {
      instanceId: deleted,
      hoursAgo: 44,
      content: { bytes: smallContainer(seed + 2, startOf(takenAt, 44)) },
      outcome: "copied",
      about: "of a deleted instance",
    },
  ];
}

function toBeRefused(seed: number, takenAt: number): Plan[] {
  const { mysql, mariadb } = sampleInstances;
  return [
    {
      instanceId: mysql,
      hoursAgo: 27,
      backupStatus: "Failed",
      metaStatus: "",
      isAvail: 0,
      outcome: "refused",
      about: "failed",
    },
    {
      instanceId: mysql,
      hoursAgo: 43,
      content: { bytes: Buffer.alloc(0) },
      metaStatus: "EMPTY",
      outcome: "refused",
      about: "empty",
    },
    {
      instanceId: mysql,
      hoursAgo: 45,
      backupMethod: "Snapshot",
      listedSizeBytes: 20 * 1024 ** 3,
      outcome: "refused",
      about: "snapshot only",
    },
    {
      instanceId: mysql,
      hoursAgo: 46,
      content: { bytes: seededContent(seed + 3)(0, smallBytes) },
      encryption: JSON.stringify({ type: "KMS", algorithm: "AES_256", keyId: "key-hzz00000000000000000" }),
      outcome: "refused",
      about: "encrypted",
    },
    {
      instanceId: mariadb,
      hostInstanceId: mariadbHost,
      hoursAgo: 47,
      content: { bytes: smallContainer(seed + 4, startOf(takenAt, 47)) },
      isAvail: 0,
      outcome: "refused",
      about: "not available",
    },
  ];
}

function smallContainer(seed: number, startedAt: number): Buffer {
  return Buffer.concat([...xbstream(physicalBackupFiles({ sizeBytes: smallBytes, seed, startedAt }))]);
}

function startOf(takenAt: number, hoursAgo: number): number {
  return takenAt - hoursAgo * millisecondsPerHour;
}

function stamp(milliseconds: number): string {
  return new Date(milliseconds).toISOString().replace(/\D/g, "").slice(0, 14);
}
