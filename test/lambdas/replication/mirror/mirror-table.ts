// The Mirror table on the local cloud's DynamoDB, and the store in front of it.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { vi } from "vitest";
import { MirrorStore } from "../../../../lambdas/replication/mirror.store.ts";
import { documentClient } from "../../../../lambdas/shared/aws-clients.ts";
import { startDynamodbService } from "../../../../local/dynamodb/dynamodb-service.ts";
import type { Faults } from "../../../../local/rig/faults.ts";
import { accountId, region, startServiceRig } from "../../../local/service-rig.ts";
import { pointSdkAt } from "../point-sdk-at.ts";

const tableName = "Mirror";

export interface MirrorTable extends AsyncDisposable {
  readonly store: MirrorStore;
  readonly faults: Faults;
}

export async function startMirrorTable(): Promise<MirrorTable> {
  const folder = mkdtempSync(join(tmpdir(), "causeway-mirror-"));
  const dynamodb = await startDynamodbService({
    region,
    accountId,
    stateDirectory: folder,
    authorize: () => undefined,
  });
  await dynamodb.addTable({
    tableName,
    arn: `arn:aws:dynamodb:${region}:${accountId}:table/${tableName}`,
    keySchema: [{ AttributeName: "sourceKey", KeyType: "HASH" }],
    attributeDefinitions: ["sourceKey", "listing", "waitingSince"].map((AttributeName) => ({
      AttributeName,
      AttributeType: "S",
    })),
    globalSecondaryIndexes: [
      {
        IndexName: "byWaiting",
        KeySchema: [
          { AttributeName: "listing", KeyType: "HASH" },
          { AttributeName: "waitingSince", KeyType: "RANGE" },
        ],
        Projection: { ProjectionType: "ALL" },
      },
    ],
    localSecondaryIndexes: [],
    timeToLiveAttribute: undefined,
    streamViewType: undefined,
  });
  const rig = await startServiceRig(() => ({ dynamodb }));
  pointSdkAt(rig.url);
  return {
    store: new MirrorStore(documentClient(), tableName),
    faults: rig.faults,
    async [Symbol.asyncDispose]() {
      await rig.close();
      rmSync(folder, { recursive: true, force: true });
      vi.unstubAllEnvs();
    },
  };
}
