// Where each inventory of the registry is tested: what stands in for the vendor. An adapter without a stage fails the suite.
import { DeleteSecretCommand, PutSecretValueCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { vi } from "vitest";
import { inventories } from "../../../../lambdas/replication/inventories/index.ts";
import type { BackupInventory, InstanceDirectory } from "../../../../lambdas/replication/inventories/inventory.ts";
import type { NewBackup, NewInstance } from "../../../../local/aliyun-rds/catalogue.ts";
import type { Faults } from "../../../../local/rig/faults.ts";
import { createSecretsManagerService } from "../../../../local/secrets-manager/secrets-manager.ts";
import { accessKey, aliyunFixture } from "../../../local/aliyun-rds/aliyun-fixture.ts";
import { startServiceRig } from "../../../local/service-rig.ts";
import { pointSdkAt } from "../point-sdk-at.ts";

export interface InventoryStage extends AsyncDisposable {
  /** As a Lambda opens it. */
  readonly inventory: BackupInventory & InstanceDirectory;
  /** The vendor's faults. */
  readonly faults: Faults;
  /** The vendor's name in a fault rule; what lists the backups of one instance, and what lists the instances. */
  readonly service: string;
  readonly listOperation: string;
  readonly instancesOperation: string;
  /** Faults of the place where the key pair is kept, whose name in a rule is `secretsmanager`. */
  readonly secretFaults: Faults;
  addInstance(instance: NewInstance): void;
  addBackup(backup: NewBackup): Promise<unknown>;
  removeBackup(backupId: string): void;
  /** The vendor knows only this key pair from now on. */
  issueKeys(pair: KeyPair): void;
  /** Puts this text in the place where the key pair is kept; null: nothing is kept there. */
  keep(secret: string | null): Promise<void>;
  /** How often the key pair was read. */
  secretReads(): number;
}

export interface KeyPair {
  readonly accessKeyId: string;
  readonly accessKeySecret: string;
}

export const firstKeys: KeyPair = accessKey;

export const inventoryStages: Readonly<Record<string, () => Promise<InventoryStage>>> = { "aliyun-rds": aliyunStage };

const secretId = "/test/replication/aliyun";

async function aliyunStage(): Promise<InventoryStage> {
  const fixture = await aliyunFixture();
  const { aliyun, faults } = fixture;
  const rig = await startServiceRig((context) => ({ secrets: createSecretsManagerService(context) }));
  rig.services.secrets.createSecret({ name: secretId, secretString: JSON.stringify(firstKeys) });
  pointSdkAt(rig.url);
  const secretsClient = new SecretsManagerClient({});
  return {
    inventory: inventories["aliyun-rds"]({
      ALIYUN_SECRET_ID: secretId,
      ALIYUN_RDS_ENDPOINT: aliyun.rpcEndpoint,
      ALIYUN_PROTOCOL: "http",
      ALIYUN_REGION: "cn-hangzhou",
    }),
    faults,
    service: "aliyun-rds",
    listOperation: "DescribeBackups",
    instancesOperation: "DescribeDBInstances",
    secretFaults: rig.faults,
    addInstance: (instance) => aliyun.addInstance(instance),
    addBackup: (backup) => aliyun.addBackup(backup),
    removeBackup: (backupId) => aliyun.removeBackup(backupId),
    issueKeys: (pair) => aliyun.setCredentials([pair]),
    keep: async (secret) => {
      const command =
        secret === null
          ? new DeleteSecretCommand({ SecretId: secretId, ForceDeleteWithoutRecovery: true })
          : new PutSecretValueCommand({ SecretId: secretId, SecretString: secret });
      await secretsClient.send(command);
    },
    secretReads: () => rig.authorized.filter(({ action }) => action === "secretsmanager:GetSecretValue").length,
    async [Symbol.asyncDispose]() {
      secretsClient.destroy();
      await rig.close();
      await fixture[Symbol.asyncDispose]();
      vi.unstubAllEnvs();
    },
  };
}
