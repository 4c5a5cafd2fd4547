// DescribeBackups and DescribeDetachedBackups: which backups there are, each with a fresh download link.
// Field names and page rules: the models of @alicloud/rds20140815 15.4.0; traps: facts 2.1.
import { AliyunError } from "./aliyun-error.ts";
import type { Backup, Catalogue } from "./catalogue.ts";
import { RequestParameters } from "./request-parameters.ts";

/** Makes a link that works from now on for a while; `intranet` ones never work from outside Aliyun. */
export type LinkMaker = (objectKey: string, network: "internet" | "intranet") => string;

const filters = ["BackupId", "BackupMode", "BackupStatus", "StartTime", "EndTime", "PageSize", "PageNumber"];
const pageSizes = ["30", "50", "100"];

export async function describeBackups(values: ReadonlyMap<string, string>, catalogue: Catalogue, linkTo: LinkMaker) {
  const parameters = new RequestParameters(values, ["DBInstanceId", "BackupType", ...filters]);
  const instanceId = parameters.mandatory("DBInstanceId");
  const instance = catalogue.instance(instanceId);
  if (!instance || instance.deleted) throw instanceNotFound();
  const type = parameters.oneOf("BackupType", ["FullBackup", "IncrementalBackup"]);
  const isWanted = readFilters(parameters);
  const found = catalogue.backupsOf(
    (backup) =>
      backup.instanceId === instanceId && (type === undefined || backup.backupType === type) && isWanted(backup),
  );
  const { page, ...counts } = pageOf(found, parameters);
  const described = [];
  for (const backup of page) {
    described.push({
      ...commonFields(backup),
      BackupDownloadLinkByDB: { BackupDownloadLinkByDB: [] },
      BackupDownloadURL: isDownloadable(backup) ? linkTo(backup.objectKey, "internet") : null,
      BackupIntranetDownloadURL: isDownloadable(backup) ? linkTo(backup.objectKey, "intranet") : null,
      BackupInitiator: backup.backupMode === "Automated" ? "System" : "User",
      Checksum: await checksumOf(backup),
      ...(backup.instance.engine === "SQLServer" ? { CopyOnlyBackup: "0" } : {}),
      Encryption: backup.encryption,
      Engine: backup.instance.engine,
      EngineVersion: backup.instance.engineVersion,
      ExpectExpireTime: timeText(backup.expiresAt),
      StorageClass: backup.storageClass,
    });
  }
  const snapshotBytes = found
    .filter(({ backupMethod }) => backupMethod === "Snapshot")
    .reduce((sum, backup) => sum + sizeOf(backup), 0);
  return { Items: { Backup: described }, ...counts, TotalEcsSnapshotSize: snapshotBytes };
}

/** Backups of deleted instances. Fewer fields than DescribeBackups (no Checksum!), and "" where that one says null. */
export async function describeDetachedBackups(
  values: ReadonlyMap<string, string>,
  catalogue: Catalogue,
  linkTo: LinkMaker,
) {
  const parameters = new RequestParameters(values, ["DBInstanceId", "Region", ...filters]);
  const region = parameters.mandatory("Region");
  const instanceId = parameters.text("DBInstanceId");
  const isWanted = readFilters(parameters);
  const found = catalogue.backupsOf(
    (backup) =>
      backup.instance.deleted &&
      backup.instance.regionId === region &&
      (instanceId === undefined || backup.instanceId === instanceId) &&
      isWanted(backup),
  );
  const { page, ...counts } = pageOf(found, parameters);
  const described = page.map((backup) => ({
    ...commonFields(backup),
    BackupDownloadURL: isDownloadable(backup) ? linkTo(backup.objectKey, "internet") : "",
    BackupIntranetDownloadURL: isDownloadable(backup) ? linkTo(backup.objectKey, "intranet") : "",
    DBInstanceComment: backup.instance.description,
  }));
  return { Items: { Backup: described }, ...counts };
}

export function instanceNotFound(): AliyunError {
  return new AliyunError(400, "InvalidDBInstanceId.NotFound", "The specified DBInstanceId does not exist.");
}

/** Milliseconds since 1970 as Aliyun writes times: UTC, whole seconds. */
export function timeText(milliseconds: number): string {
  return `${new Date(milliseconds).toISOString().slice(0, 19)}Z`;
}

function readFilters(parameters: RequestParameters): (backup: Backup) => boolean {
  const backupId = parameters.text("BackupId");
  const mode = parameters.oneOf("BackupMode", ["Automated", "Manual"]);
  const status = parameters.oneOf("BackupStatus", ["Success", "Failed"]);
  const from = parameters.minute("StartTime");
  const until = parameters.minute("EndTime");
  if (from !== undefined && until !== undefined && until <= from) {
    throw new AliyunError(400, "InvalidEndTime.Malformed", "The specified EndTime is not later than StartTime.");
  }
  // Both ends count in: no page says whether Aliyun's do, and a caller must stand a backup listed twice.
  return (backup) =>
    (backupId === undefined || backup.backupId === backupId) &&
    (mode === undefined || backup.backupMode === mode) &&
    (status === undefined || backup.backupStatus === status) &&
    (from === undefined || backup.startedAt >= from) &&
    (until === undefined || backup.startedAt <= until);
}

/** Counts are strings in these two operations, and only these page sizes are taken. */
function pageOf(found: readonly Backup[], parameters: RequestParameters) {
  const pageSize = Number(parameters.oneOf("PageSize", pageSizes) ?? "30");
  const pageNumber = parameters.wholeNumber("PageNumber", 1, 2 ** 31 - 1) ?? 1;
  const page = found.slice((pageNumber - 1) * pageSize, pageNumber * pageSize);
  return {
    page,
    PageNumber: String(pageNumber),
    PageRecordCount: String(page.length),
    TotalRecordCount: String(found.length),
  };
}

function commonFields(backup: Backup) {
  return {
    BackupEndTime: timeText(backup.endedAt),
    BackupId: backup.backupId,
    BackupMethod: backup.backupMethod,
    BackupMode: backup.backupMode,
    BackupSize: sizeOf(backup),
    BackupStartTime: timeText(backup.startedAt),
    BackupStatus: backup.backupStatus,
    BackupType: backup.backupType,
    ConsistentTime: backup.consistentTime,
    DBInstanceId: backup.instanceId,
    HostInstanceID: backup.hostInstanceId,
    IsAvail: backup.isAvail,
    MetaStatus: backup.metaStatus,
    StoreStatus: backup.storeStatus,
  };
}

function isDownloadable(backup: Backup): boolean {
  return backup.body !== undefined && backup.backupMethod !== "Snapshot";
}

function sizeOf(backup: Backup): number {
  return backup.listedSizeBytes ?? backup.body?.sizeBytes ?? 0;
}

async function checksumOf(backup: Backup): Promise<string> {
  if (typeof backup.checksum === "object") return backup.checksum.text;
  return backup.checksum === "computed" && backup.body ? String(await backup.body.crc64()) : "";
}
