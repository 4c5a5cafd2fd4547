// Inventory: backups of Aliyun RDS, over the vendor's SDK (API 2014-08-15).
import rds from "@alicloud/rds20140815";
import { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { type AliyunCredentialsSource, aliyunCredentials } from "../../shared/aliyun-credentials.ts";
import { smallCalls } from "../../shared/aws-clients.ts";
import { CausewayError } from "../../shared/errors.ts";
import type { SourceBackup } from "../backup.ts";
import { addressOf, expiryOf, fromDetached, fromInstance, fromRds } from "./aliyun-backups.ts";
import { type AliyunRdsSettings, aliyunCaller } from "./aliyun-client.ts";
import { isCredentialProblem } from "./aliyun-errors.ts";
import { minutes, slicesOf } from "./aliyun-windows.ts";
import type {
  BackupInventory,
  BackupRef,
  InstanceDirectory,
  InstancePage,
  InstancePageQuery,
  InstanceProblem,
  InventoryFilter,
  InventoryWindow,
  LocatedBackup,
} from "./inventory.ts";

/** The environment of every entry that asks Aliyun. */
export interface AliyunEnvironment {
  readonly ALIYUN_SECRET_ID: string;
  readonly ALIYUN_RDS_ENDPOINT: string;
  readonly ALIYUN_PROTOCOL: "http" | "https";
  readonly ALIYUN_REGION: string;
}

/** The inventory as a Lambda has it: settings from its environment, the key pair from Secrets Manager. */
export function openAliyunRds(environment: AliyunEnvironment): BackupInventory & InstanceDirectory {
  return aliyunRdsInventory(
    {
      endpoint: environment.ALIYUN_RDS_ENDPOINT,
      protocol: environment.ALIYUN_PROTOCOL,
      region: environment.ALIYUN_REGION,
    },
    aliyunCredentials(new SecretsManagerClient(smallCalls), environment.ALIYUN_SECRET_ID),
  );
}

/** The largest of the three page sizes that DescribeBackups takes: 30, 50, 100. */
const pageSize = 100;
/** 100,000 records of one query; beyond it something is wrong with the paging. */
const mostPages = 1000;
/** Instances asked about at the same time; the vendor throttles accounts that ask much more. */
const instancesAtOnce = 8;

function aliyunRdsInventory(
  settings: AliyunRdsSettings,
  credentials: AliyunCredentialsSource,
): BackupInventory & InstanceDirectory {
  const call = aliyunCaller(settings, credentials);

  async function instances({ number, size, instanceId }: InstancePageQuery): Promise<InstancePage> {
    const request = new rds.DescribeDBInstancesRequest({
      regionId: settings.region,
      pageSize: size,
      pageNumber: number,
      ...(instanceId !== undefined && { DBInstanceId: instanceId }),
    });
    const { body } = await call((sdk) => sdk.describeDBInstances(request));
    const page = body?.items?.DBInstance ?? [];
    // The last page is the short one.
    return { instances: page.flatMap(fromInstance), hasMore: page.length >= size };
  }

  async function instanceIds(): Promise<string[]> {
    const ids: string[] = [];
    for (let number = 1; number <= mostPages; number += 1) {
      const page = await instances({ number, size: pageSize });
      ids.push(...page.instances.map(({ instanceId }) => instanceId));
      if (!page.hasMore) return ids;
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
      const isUnknown = error.details.code === "InvalidDBInstanceId.NotFound";
      const deleted = isUnknown && filter.includeDeletedInstances;
      const reason = `${error.name}: ${error.message}`;
      if (!deleted) onProblem({ instanceId, reason, ...(isUnknown && { isUnknown }) });
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
    instances,

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
