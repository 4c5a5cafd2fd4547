// Aliyun's inventory as the stage's functions see it: the same secret, the endpoint of the stage's settings file.
import { inventories } from "../lambdas/replication/inventories/index.ts";
import type { BackupInventory } from "../lambdas/replication/inventories/inventory.ts";
import { type AliyunSettings, readAliyunSettings } from "./stage-files.ts";

export function connectInventory(stage: string, aliyun?: AliyunSettings): BackupInventory {
  const { endpoint, protocol, region } = aliyun ?? readAliyunSettings(stage);
  return inventories["aliyun-rds"]({
    ALIYUN_SECRET_ID: `/${stage}/replication/aliyun`,
    ALIYUN_RDS_ENDPOINT: endpoint,
    ALIYUN_PROTOCOL: protocol,
    ALIYUN_REGION: region,
  });
}
