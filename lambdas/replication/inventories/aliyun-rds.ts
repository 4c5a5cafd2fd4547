// Inventory: backups of Aliyun RDS, over the vendor's SDK (API 2014-08-15).
// Source of fields and traps: the models of @alicloud/rds20140815 and Aliyun's pages on DescribeBackups.

import openApiCore from "@alicloud/openapi-core";
import rds from "@alicloud/rds20140815";
import { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { smallCalls } from "../../shared/aws-clients.ts";
import { CausewayError } from "../../shared/errors.ts";
import { retry } from "../../shared/retry.ts";
import type { SourceBackup } from "../backup.ts";
import { type AliyunCredentialsSource, aliyunCredentials } from "./aliyun-credentials.ts";
import { aliyunError, isCredentialProblem } from "./aliyun-errors.ts";
import type {
  BackupInventory,
  BackupRef,
  InstanceProblem,
  InventoryFilter,
  InventoryWindow,
  LocatedBackup,
} from "./inventory.ts";

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

/** The environment of every entry that asks Aliyun. */
export interface AliyunEnvironment {
  readonly ALIYUN_SECRET_ID: string;
  readonly ALIYUN_RDS_ENDPOINT: string;
  readonly ALIYUN_PROTOCOL: "http" | "https";
  readonly ALIYUN_REGION: string;
}

/** The inventory as a Lambda has it: settings from its environment, the key pair from Secrets Manager. */
export function openAliyunRds(environment: AliyunEnvironment): BackupInventory {
  return aliyunRdsInventory(
    {
      endpoint: environment.ALIYUN_RDS_ENDPOINT,
      protocol: environment.ALIYUN_PROTOCOL,
      region: environment.ALIYUN_REGION,
    },
    aliyunCredentials(new SecretsManagerClient(smallCalls), environment.ALIYUN_SECRET_ID),
  );
}

export interface AliyunRdsSettings {
  /** Host, optionally with a port, no scheme. */
  readonly endpoint: string;
  readonly protocol: "http" | "https";
  readonly region: string;
}

export const aliyunRdsKey = "aliyun-rds";

/** The largest of the three page sizes that DescribeBackups takes: 30, 50, 100. */
const pageSize = 100;
/** 100,000 records of one query; beyond it something is wrong with the paging. */
const mostPages = 1000;
/** The vendor warns of timeouts on long ranges: they are asked for in slices. */
const sliceMilliseconds = 7 * 86_400_000;
/** Slices reach into the one before: a backup that runs across a border is in one of them, however the vendor filters. */
const sliceOverlapMilliseconds = 2 * 86_400_000;
/** Instances asked about at the same time; the vendor throttles accounts that ask much more. */
const instancesAtOnce = 8;
const minuteMilliseconds = 60_000;
const callTimeoutMilliseconds = 20_000;
const mostAttempts = 5;

function aliyunRdsInventory(settings: AliyunRdsSettings, credentials: AliyunCredentialsSource): BackupInventory {
  const client = async (): Promise<RdsClient> => {
    const pair = await credentials.read();
    return new rds.default(
      new openApiCore.$OpenApiUtil.Config({
        ...pair,
        endpoint: settings.endpoint,
        protocol: settings.protocol,
        regionId: settings.region,
        connectTimeout: callTimeoutMilliseconds,
        readTimeout: callTimeoutMilliseconds,
      }),
    );
  };

  /** One call, named errors, bounded retries; a refused key pair is read anew once, for it may have been rotated. */
  async function call<Answer>(ask: (client: RdsClient) => Promise<Answer>): Promise<Answer> {
    let rereadCredentials = false;
    return retry(
      async () => {
        try {
          return await ask(await client());
        } catch (error) {
          throw aliyunError(error);
        }
      },
      {
        mostAttempts,
        firstWaitMilliseconds: 300,
        longestWaitMilliseconds: 5_000,
        isRetryable: (error) => {
          if (isCredentialProblem(error) && !rereadCredentials) {
            rereadCredentials = true;
            credentials.forget();
            return true;
          }
          return error instanceof CausewayError && error.retryable;
        },
      },
    );
  }

  async function instanceIds(): Promise<string[]> {
    const ids: string[] = [];
    for (let pageNumber = 1; pageNumber <= mostPages; pageNumber += 1) {
      const request = new rds.DescribeDBInstancesRequest({ regionId: settings.region, pageSize, pageNumber });
      const { body } = await call((sdk) => sdk.describeDBInstances(request));
      const page = body?.items?.DBInstance ?? [];
      ids.push(...page.flatMap((instance) => instance.DBInstanceId ?? []));
      if (page.length < pageSize) return ids;
    }
    return ids;
  }

  async function* backupsOf(instanceId: string, window: InventoryWindow): AsyncGenerator<SourceBackup> {
    for (const slice of slicesOf(window)) {
      for (let pageNumber = 1; pageNumber <= mostPages; pageNumber += 1) {
        const request = new rds.DescribeBackupsRequest({ DBInstanceId: instanceId, pageSize, pageNumber, ...slice });
        const { body } = await call((sdk) => sdk.describeBackups(request));
        const page = body?.items?.backup ?? [];
        for (const item of page) yield fromRds(item, instanceId);
        // The last page is the short one; the counts beside it are strings, and not always there.
        if (page.length < pageSize) break;
      }
    }
  }

  async function* detachedBackups(window: InventoryWindow): AsyncGenerator<SourceBackup> {
    for (const slice of slicesOf(window)) {
      for (let pageNumber = 1; pageNumber <= mostPages; pageNumber += 1) {
        const request = new rds.DescribeDetachedBackupsRequest({
          region: settings.region,
          pageSize,
          pageNumber,
          ...slice,
        });
        const { body } = await call((sdk) => sdk.describeDetachedBackups(request));
        const page = body?.items?.backup ?? [];
        for (const item of page) yield fromDetached(item);
        // The last page is the short one; the counts beside it are strings, and not always there.
        if (page.length < pageSize) break;
      }
    }
  }

  async function listInstance(
    instanceId: string,
    filter: InventoryFilter,
    onProblem: (problem: InstanceProblem) => void,
  ): Promise<SourceBackup[]> {
    try {
      return await Array.fromAsync(backupsOf(instanceId, filter.window));
    } catch (error) {
      if (!(error instanceof CausewayError) || !/^Source/.test(error.name) || isCredentialProblem(error)) throw error;
      // An instance that was deleted is found among the detached ones.
      const deleted = error.details.code === "InvalidDBInstanceId.NotFound" && filter.includeDeletedInstances;
      if (!deleted) onProblem({ instanceId, reason: `${error.name}: ${error.message}` });
      return [];
    }
  }

  async function find(ref: BackupRef): Promise<{ backup: SourceBackup; address: string | undefined } | undefined> {
    if (!ref.instanceDeleted) {
      const request = new rds.DescribeBackupsRequest({
        DBInstanceId: ref.instanceId,
        backupId: ref.backupId,
        pageSize: 30,
      });
      const { body } = await call((sdk) => sdk.describeBackups(request));
      const item = body?.items?.backup?.find((candidate) => candidate.backupId === ref.backupId);
      return item && { backup: fromRds(item, ref.instanceId), address: addressOf(item.backupDownloadURL) };
    }
    const startedAt = Date.parse(ref.startedAt);
    const around = { startMilliseconds: startedAt - 86_400_000, endMilliseconds: startedAt + 86_400_000 };
    const request = new rds.DescribeDetachedBackupsRequest({
      region: settings.region,
      DBInstanceId: ref.instanceId,
      backupId: ref.backupId,
      pageSize: 30,
      ...minutes(around),
    });
    const { body } = await call((sdk) => sdk.describeDetachedBackups(request));
    const item = body?.items?.backup?.find((candidate) => candidate.backupId === ref.backupId);
    return item && { backup: fromDetached(item), address: addressOf(item.backupDownloadURL) };
  }

  return {
    async *list(filter: InventoryFilter, onProblem) {
      const wanted = filter.instanceIds.length > 0 ? [...filter.instanceIds] : await instanceIds();
      while (wanted.length > 0) {
        const listed = await Promise.all(
          wanted.splice(0, instancesAtOnce).map((id) => listInstance(id, filter, onProblem)),
        );
        for (const backup of listed.flat()) if (passes(backup, filter)) yield backup;
      }
      if (!filter.includeDeletedInstances) return;
      for await (const backup of detachedBackups(filter.window)) {
        const asked = filter.instanceIds.length === 0 || filter.instanceIds.includes(backup.instanceId);
        if (asked && passes(backup, filter)) yield backup;
      }
    },

    async locate(ref: BackupRef): Promise<LocatedBackup> {
      const found = await find(ref);
      if (!found) {
        throw new CausewayError(
          "BackupNotFound",
          `Aliyun no longer lists backup ${ref.backupId} of ${ref.instanceId}.`,
        );
      }
      if (!found.address) {
        throw new CausewayError(
          "BackupNotCopyable",
          `Aliyun hands out no download address for backup ${ref.backupId}.`,
        );
      }
      // The vendor hands out http links; its signature covers the object, not the scheme.
      const address = settings.protocol === "https" ? found.address.replace(/^http:/, "https:") : found.address;
      return { backup: found.backup, address, addressExpiresAt: expiryOf(address) };
    },
  };
}

function passes(backup: SourceBackup, filter: InventoryFilter): boolean {
  const typeFits = filter.types.length === 0 || filter.types.includes(backup.type);
  return typeFits && (filter.methods.length === 0 || filter.methods.includes(backup.method));
}

function* slicesOf(window: InventoryWindow): Generator<{ startTime: string; endTime: string }> {
  for (let start = window.startMilliseconds; start < window.endMilliseconds; start += sliceMilliseconds) {
    yield minutes({
      startMilliseconds: Math.max(window.startMilliseconds, start - sliceOverlapMilliseconds),
      endMilliseconds: Math.min(start + sliceMilliseconds, window.endMilliseconds),
    });
  }
}

/** `yyyy-MM-ddTHH:mmZ`, the end rounded up: a backup of this very minute is inside. */
function minutes(window: InventoryWindow): { startTime: string; endTime: string } {
  const text = (milliseconds: number) => `${new Date(milliseconds).toISOString().slice(0, 16)}Z`;
  const end = Math.ceil(window.endMilliseconds / minuteMilliseconds) * minuteMilliseconds;
  return { startTime: text(window.startMilliseconds), endTime: text(end) };
}

function fromRds(item: RdsBackup, instanceId: string): SourceBackup {
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
function fromDetached(item: DetachedBackup): SourceBackup {
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
function addressOf(text: string | undefined): string | undefined {
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
