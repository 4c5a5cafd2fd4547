// The room's Lambdas and stores in this process, on real services of the local cloud: no workflow, no bundles.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";
import { vi } from "vitest";
import { documentClient } from "../../../lambdas/shared/aws-clients.ts";
import { type DynamodbService, startDynamodbService } from "../../../local/dynamodb/dynamodb-service.ts";
import { createEventBridgeService } from "../../../local/eventbridge/eventbridge.ts";
import type { LocalService } from "../../../local/gateway/service.ts";
import { createKmsService } from "../../../local/kms/kms.ts";
import type { Faults } from "../../../local/rig/faults.ts";
import { createS3Service } from "../../../local/s3/s3-service.ts";
import { createSecretsManagerService } from "../../../local/secrets-manager/secrets-manager.ts";
import { type AliyunFixture, accessKey, aliyunFixture } from "../../local/aliyun-rds/aliyun-fixture.ts";
import { accountId, region, startServiceRig } from "../../local/service-rig.ts";
import { pointSdkAt } from "./point-sdk-at.ts";

export const tables = { copies: "Copies", jobs: "Jobs", partLedger: "PartLedger" } as const;
export const buckets = { backups: "backups", work: "work" } as const;
const secretId = "/test/replication/aliyun";
const busName = "causeway";

const keysOfTables: Readonly<Record<string, readonly (readonly [name: string, type: "S" | "N"])[]>> = {
  [tables.copies]: [["copyId", "S"]],
  [tables.jobs]: [
    ["jobId", "S"],
    ["item", "S"],
  ],
  [tables.partLedger]: [
    ["uploadKey", "S"],
    ["partNumber", "N"],
  ],
};

export interface RoomRig extends AsyncDisposable {
  readonly documents: DynamoDBDocumentClient;
  readonly fixture: AliyunFixture;
  /** Of the AWS services. */
  readonly faults: Faults;
  /** What was sent to EventBridge and DynamoDB, as JSON. */
  readonly sent: { readonly service: string; readonly body: string }[];
}

/** Sets the environment of every entry of the room; it stays until the rig is disposed of. */
export async function startRoomRig(): Promise<RoomRig> {
  const folder = mkdtempSync(join(tmpdir(), "causeway-room-"));
  const sent: { service: string; body: string }[] = [];
  const dynamodb = await startTables(folder);
  const fixture = await aliyunFixture({ linkSeconds: 600 });
  const rig = await startServiceRig((context) => {
    const s3 = createS3Service(context, { smallestPartBytes: 1024 });
    for (const name of Object.values(buckets)) s3.createBucket({ name, versioned: true, eventBridge: false });
    const secrets = createSecretsManagerService(context);
    secrets.createSecret({ name: secretId, secretString: JSON.stringify(accessKey) });
    const kms = createKmsService(context);
    const { keyId } = kms.createKey({ logicalId: "Receipts", keySpec: "ECC_NIST_P256" });
    kms.createAlias("alias/receipts", keyId);
    const events = createEventBridgeService(context, { ports: () => ({}), permissions: nobodyIsAsked });
    events.createBus(busName);
    return { s3, secrets, kms, events: listening(events, sent), dynamodb: listening(dynamodb, sent) };
  });
  pointSdkAt(rig.url);
  setEnvironment(fixture.aliyun.rpcEndpoint);
  return {
    documents: documentClient(),
    fixture,
    faults: rig.faults,
    sent,
    async [Symbol.asyncDispose]() {
      await rig.close();
      await fixture[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true, force: true });
      vi.unstubAllEnvs();
    },
  };
}

async function startTables(stateDirectory: string): Promise<DynamodbService> {
  const service = await startDynamodbService({ region, accountId, stateDirectory, authorize: () => undefined });
  for (const [tableName, keys] of Object.entries(keysOfTables)) {
    await service.addTable({
      tableName,
      arn: `arn:aws:dynamodb:${region}:${accountId}:table/${tableName}`,
      keySchema: keys.map(([AttributeName], index) => ({ AttributeName, KeyType: index === 0 ? "HASH" : "RANGE" })),
      attributeDefinitions: keys.map(([AttributeName, AttributeType]) => ({ AttributeName, AttributeType })),
      globalSecondaryIndexes: [],
      localSecondaryIndexes: [],
      timeToLiveAttribute: undefined,
      streamViewType: undefined,
    });
  }
  return service;
}

/** The service, with a copy of what it is sent. */
function listening<Service extends LocalService>(service: Service, sent: RoomRig["sent"]): Service {
  const handle: LocalService["handle"] = (request) => {
    sent.push({ service: service.name, body: String(request.bodyBytes) });
    return service.handle(request);
  };
  // A service may be of a class with private parts: whatever is called on it is called on itself.
  return new Proxy(service, {
    get: (target, member) => {
      const value: unknown = member === "handle" ? handle : Reflect.get(target, member, target);
      return typeof value === "function" && member !== "handle" ? value.bind(target) : value;
    },
  });
}

/** No rule delivers anything in this rig. */
const nobodyIsAsked = {
  assumeRole: () => {
    throw new Error("no role is assumed here");
  },
  serviceMay: () => false,
};

function setEnvironment(rpcEndpoint: string): void {
  const environment = {
    ALIYUN_SECRET_ID: secretId,
    ALIYUN_RDS_ENDPOINT: rpcEndpoint,
    ALIYUN_PROTOCOL: "http",
    ALIYUN_REGION: "cn-hangzhou",
    COPIES_TABLE: tables.copies,
    JOBS_TABLE: tables.jobs,
    PART_LEDGER_TABLE: tables.partLedger,
    BACKUPS_BUCKET: buckets.backups,
    WORK_BUCKET: buckets.work,
    EVENT_BUS_NAME: busName,
    INSTANCE_IDS: "",
    WINDOW_HOURS: "48",
    MAXIMUM_AGE_HOURS: "0",
    INCLUDE_DELETED_INSTANCES: "true",
    CONCURRENT_BACKUPS: "4",
    KEY_PREFIX: "",
    MONTHLY_EGRESS_LIMIT_BYTES: "0",
    CONCURRENT_BATCHES: "2",
    SMALLEST_PART_BYTES: "1024",
    MOST_PARTS_AT_ONCE: "4",
    SIGNING_KEY_ID: "alias/receipts",
  };
  for (const [name, value] of Object.entries(environment)) vi.stubEnv(name, value);
}
