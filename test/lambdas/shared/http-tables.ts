// The tables that the HTTP framework writes to, on a real DynamoDB, for tests that need no whole cloud.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";
import { vi } from "vitest";
import { AuditStore } from "../../../lambdas/shared/audit.store.ts";
import { documentClient } from "../../../lambdas/shared/aws-clients.ts";
import { IdempotencyStore } from "../../../lambdas/shared/idempotency.store.ts";
import { startDynamodbService } from "../../../local/dynamodb/dynamodb-service.ts";
import type { Faults } from "../../../local/rig/faults.ts";
import { accountId, region, startServiceRig } from "../../local/service-rig.ts";
import { pointSdkAt } from "../replication/point-sdk-at.ts";

interface TableKeys {
  readonly partition: string;
  readonly sort?: string;
  /** Of the index with partition `listing`: its name and its sort attribute. */
  readonly index?: readonly [name: string, sort: string];
}

export const httpTables = {
  Audit: { partition: "month", sort: "item" },
  Idempotency: { partition: "requestKey" },
  Jobs: { partition: "jobId", sort: "item", index: ["byStart", "startedAt"] },
  Schedules: { partition: "scheduleName" },
} as const satisfies Readonly<Record<string, TableKeys>>;

export interface HttpTables extends AsyncDisposable {
  readonly documents: DynamoDBDocumentClient;
  readonly audit: AuditStore;
  readonly idempotency: IdempotencyStore;
  readonly faults: Faults;
}

export async function startHttpTables(tables: Readonly<Record<string, TableKeys>> = httpTables): Promise<HttpTables> {
  const folder = mkdtempSync(join(tmpdir(), "causeway-http-"));
  const dynamodb = await startDynamodbService({
    region,
    accountId,
    stateDirectory: folder,
    authorize: () => undefined,
  });
  for (const [tableName, { partition, sort, index }] of Object.entries(tables)) {
    const keys = sort === undefined ? [partition] : [partition, sort];
    const names = [...new Set([...keys, ...(index === undefined ? [] : ["listing", index[1]])])];
    await dynamodb.addTable({
      tableName,
      arn: `arn:aws:dynamodb:${region}:${accountId}:table/${tableName}`,
      keySchema: keys.map((AttributeName, at) => ({ AttributeName, KeyType: at === 0 ? "HASH" : "RANGE" })),
      attributeDefinitions: names.map((AttributeName) => ({ AttributeName, AttributeType: "S" })),
      globalSecondaryIndexes:
        index === undefined
          ? []
          : [
              {
                IndexName: index[0],
                KeySchema: [
                  { AttributeName: "listing", KeyType: "HASH" },
                  { AttributeName: index[1], KeyType: "RANGE" },
                ],
                Projection: { ProjectionType: "ALL" },
              },
            ],
      localSecondaryIndexes: [],
      timeToLiveAttribute: undefined,
      streamViewType: undefined,
    });
  }
  const rig = await startServiceRig(() => ({ dynamodb }));
  pointSdkAt(rig.url);
  const documents = documentClient();
  return {
    documents,
    audit: new AuditStore(documents, "Audit"),
    idempotency: new IdempotencyStore(documents, "Idempotency"),
    faults: rig.faults,
    async [Symbol.asyncDispose]() {
      await rig.close();
      rmSync(folder, { recursive: true, force: true });
      vi.unstubAllEnvs();
    },
  };
}
