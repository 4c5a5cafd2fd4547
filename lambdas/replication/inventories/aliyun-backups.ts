// A backup as Aliyun RDS describes it, put into the room's words. Fields and traps: the models of @alicloud/rds20140815.
import type rds from "@alicloud/rds20140815";
import type { SourceBackup } from "../backup.ts";
import type { SourceInstance } from "./inventory.ts";

type RdsClient = InstanceType<typeof rds.default>;
type RdsBackup = NonNullable<
  NonNullable<Awaited<ReturnType<RdsClient["describeBackups"]>>["body"]>["items"]
>["backup"] extends (infer Item)[] | undefined
  ? Item
  : never;
type DetachedBackup = NonNullable<
  NonNullable<Awaited<ReturnType<RdsClient["describeDetachedBackups"]>>["body"]>["items"]
>["backup"] extends (infer Item)[] | undefined
  ? Item
  : never;
type RdsInstance = NonNullable<
  NonNullable<Awaited<ReturnType<RdsClient["describeDBInstances"]>>["body"]>["items"]
>["DBInstance"] extends (infer Item)[] | undefined
  ? Item
  : never;

/** The key of this inventory: in configuration, copy ids, receipts and events. */
export const aliyunRdsKey = "aliyun-rds";

/** Nothing for one without an id. */
export function fromInstance(item: RdsInstance): SourceInstance[] {
  if (!item.DBInstanceId) return [];
  return [
    {
      source: aliyunRdsKey,
      instanceId: item.DBInstanceId,
      description: item.DBInstanceDescription || null,
      engine: (item.engine ?? "unknown").toLowerCase(),
      engineVersion: item.engineVersion || null,
      status: item.DBInstanceStatus || null,
    },
  ];
}

export function fromRds(item: RdsBackup, instanceId: string): SourceBackup {
  return {
    ...common(item, item.DBInstanceId ?? instanceId),
    engine: (item.engine ?? "unknown").toLowerCase(),
    type: item.backupType ?? "",
    expiresAt: timeOf(item.expectExpireTime),
    crc64: decimalCrc(item.checksum),
    isAvailable: item.isAvail !== 0,
    isEncrypted: isEncryption(item.encryption),
    isArchived: item.storageClass === "1",
    instanceDeleted: false,
  };
}

/** The answer on deleted instances knows less: no engine, no checksum, no availability. */
export function fromDetached(item: DetachedBackup): SourceBackup {
  return {
    ...common(item, item.DBInstanceId ?? ""),
    engine: "unknown",
    type: item.backupType ?? "",
    expiresAt: null,
    crc64: null,
    isAvailable: true,
    isEncrypted: false,
    isArchived: false,
    instanceDeleted: true,
  };
}

function common(item: RdsBackup | DetachedBackup, instanceId: string) {
  return {
    source: aliyunRdsKey,
    instanceId,
    backupId: item.backupId ?? "",
    fileName: fileNameOf(addressOf(item.backupDownloadURL)),
    sizeBytes: Number(item.backupSize ?? Number.NaN),
    method: item.backupMethod ?? "",
    status: item.backupStatus ?? "",
    startedAt: timeOf(item.backupStartTime),
    endedAt: timeOf(item.backupEndTime),
    metaStatus: item.metaStatus ?? "",
    hasLink: addressOf(item.backupDownloadURL) !== undefined,
    hostInstanceId: item.hostInstanceID ?? null,
  };
}

/** Minutes by the documentation, seconds by its examples: both are read. */
function timeOf(text: string | undefined): string | null {
  const milliseconds = Date.parse((text ?? "").replace(/T(\d\d:\d\d)Z$/, "T$1:00Z"));
  return Number.isNaN(milliseconds) ? null : new Date(milliseconds).toISOString();
}

/** "0" is what is said where none was computed; leading zeros are dropped, for the text is compared. */
function decimalCrc(text: string | undefined): string | null {
  if (text === undefined || !/^\d{1,20}$/.test(text)) return null;
  const crc = BigInt(text);
  return crc === 0n ? null : crc.toString();
}

/** `Encryption` is JSON text; an empty object means none. */
function isEncryption(text: string | undefined): boolean {
  return text !== undefined && text !== "" && !/^\{\s*\}$/.test(text);
}

/** Null or empty where there is nothing to download; whatever else is no address counts as none. */
export function addressOf(text: string | undefined): string | undefined {
  return text && URL.canParse(text) ? text : undefined;
}

/** Null where the link or its escapes cannot be read: such a backup is refused by itself, not with all others. */
function fileNameOf(address: string | undefined): string | null {
  if (!address || !URL.canParse(address)) return null;
  const last = new URL(address).pathname.split("/").at(-1) ?? "";
  try {
    return last === "" ? null : decodeURIComponent(last);
  } catch {
    return last;
  }
}

/** V1 links carry `Expires` in epoch seconds, V4 ones their date and life. */
export function expiryOf(address: string): string | null {
  const query = new URL(address).searchParams;
  const epochSeconds = Number(query.get("Expires") ?? Number.NaN);
  if (epochSeconds > 0) return new Date(epochSeconds * 1000).toISOString();
  const date = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(query.get("x-oss-date") ?? "");
  const life = Number(query.get("x-oss-expires") ?? Number.NaN);
  if (!date || !(life > 0)) return null;
  const [year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0] = date.slice(1).map(Number);
  return new Date(Date.UTC(year, month - 1, day, hour, minute, second) + life * 1000).toISOString();
}
