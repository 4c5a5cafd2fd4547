// Aliyun RDS beyond the common suite: its answers field by field, its errors, its links, and what it is asked for.
import { readdirSync } from "node:fs";
import { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { SourceBackup } from "../../../../lambdas/replication/backup.ts";
import { expiryOf } from "../../../../lambdas/replication/inventories/aliyun-backups.ts";
import { inventories } from "../../../../lambdas/replication/inventories/index.ts";
import type { InstanceProblem, InventoryFilter } from "../../../../lambdas/replication/inventories/inventory.ts";
import { aliyunCredentials } from "../../../../lambdas/shared/aliyun-credentials.ts";
import { calmRandom } from "../calm-random.ts";
import { collect, rejection } from "../outcomes.ts";
import { pointSdkAt } from "../point-sdk-at.ts";
import { type ReplayServer, recorded, replayServer } from "../replay-server.ts";

const keys = { accessKeyId: "LTAIofcauseway", accessKeySecret: "secret-half", securityToken: "token-of-causeway" };
const filter: InventoryFilter = {
  instanceIds: ["rm-1"],
  window: { startMilliseconds: Date.UTC(2026, 10, 19), endMilliseconds: Date.UTC(2026, 10, 20) },
  types: [],
  methods: [],
  includeDeletedInstances: false,
};

let secretReads = 0;

beforeEach(() => {
  calmRandom();
  secretReads = 0;
});

afterEach(() => {
  vi.unstubAllEnvs();
});

/** What Secrets Manager answers, as far as its client looks. */
function secretServer(): Promise<ReplayServer> {
  return replayServer((request, response) => {
    request.resume();
    secretReads += 1;
    response.writeHead(200, { "content-type": "application/x-amz-json-1.1" });
    response.end(JSON.stringify({ SecretString: JSON.stringify(keys) }));
  });
}

/** Lets Aliyun answer with the given texts by operation, and does something with the inventory. */
async function withAnswers<Result>(
  answers: Readonly<Record<string, string>>,
  look: (inventory: ReturnType<(typeof inventories)["aliyun-rds"]>, aliyun: ReplayServer) => Promise<Result>,
  status = 200,
): Promise<Result> {
  await using secrets = await secretServer();
  await using aliyun = await replayServer((request, response) => {
    request.resume();
    const answer = answers[String(request.headers["x-acs-action"])] ?? '{"Items":{"Backup":[]},"TotalRecordCount":"0"}';
    response.writeHead(status, { "content-type": "application/json;charset=utf-8" }).end(answer);
  });
  pointSdkAt(secrets.url);
  const inventory = inventories["aliyun-rds"]({
    ALIYUN_SECRET_ID: "/test/replication/aliyun",
    ALIYUN_RDS_ENDPOINT: new URL(aliyun.url).host,
    ALIYUN_PROTOCOL: "http",
    ALIYUN_REGION: "cn-hangzhou",
  });
  return await look(inventory, aliyun);
}

const noProblem = (problem: InstanceProblem) => {
  throw new Error(`${problem.instanceId}: ${problem.reason}`);
};

function listed(answers: Readonly<Record<string, string>>, more: Partial<InventoryFilter> = {}, status?: number) {
  return withAnswers(answers, (inventory) => collect(inventory.list({ ...filter, ...more }, noProblem)), status);
}

describe("a listed backup", () => {
  it("is read from an answer with every field", async () => {
    const found = await listed({ DescribeBackups: recorded("aliyun-rds/describe-backups-full.json") });
    expect(found).toEqual([
      {
        source: "aliyun-rds",
        instanceId: "rm-uf6wjk5xxxxxxx",
        engine: "mysql",
        backupId: "321020562",
        fileName: "hins18676859_data_20261119180200_qp.xb",
        sizeBytes: 6_442_450_944_123,
        method: "Physical",
        type: "FullBackup",
        status: "Success",
        startedAt: "2026-11-19T18:02:00.000Z",
        endedAt: "2026-11-19T18:09:51.000Z",
        expiresAt: "2026-11-26T18:09:51.000Z",
        crc64: "18446744073709551615",
        isAvailable: true,
        metaStatus: "OK",
        isEncrypted: false,
        isArchived: false,
        hasLink: true,
        instanceDeleted: false,
        hostInstanceId: "18676859",
      },
    ] satisfies SourceBackup[]);
  });

  it("is read from fields of every odd form, and none of them breaks the list", async () => {
    const found = await listed({ DescribeBackups: recorded("aliyun-rds/describe-backups-odd.json") });
    expect(found.map(({ backupId }) => backupId)).toEqual(["1", "2", "3", "4", "5", "6", "7"]);
    const [minutes, nulls, empty, bare, encrypted, percent, noAddress] = found;
    expect(minutes).toMatchObject({
      startedAt: "2026-11-19T18:02:00.000Z",
      endedAt: "2026-11-19T18:09:00.000Z",
      // What is said where none was computed.
      crc64: null,
      sizeBytes: 2_147_483_648,
      fileName: "a b+备份.xb",
      engine: "unknown",
      instanceId: "rm-1",
    });
    const nothing = {
      fileName: null,
      hasLink: false,
      crc64: null,
      expiresAt: null,
      hostInstanceId: null,
      isEncrypted: false,
      isArchived: false,
      metaStatus: "",
    };
    expect(nulls).toMatchObject({ ...nothing, method: "Snapshot", engine: "unknown" });
    expect(empty).toMatchObject({ ...nothing, startedAt: null, endedAt: null, status: "" });
    expect(bare).toMatchObject({ ...nothing, crc64: "42", startedAt: null, status: "", sizeBytes: Number.NaN });
    expect(encrypted).toMatchObject({
      isEncrypted: true,
      isArchived: true,
      isAvailable: false,
      crc64: null,
      fileName: null,
    });
    expect(percent).toMatchObject({ fileName: "100%.xb" });
    expect(noAddress).toMatchObject({ fileName: null });
  });

  it("of a deleted instance is read from what little is told of it", async () => {
    const answers = { DescribeDetachedBackups: recorded("aliyun-rds/describe-detached-backups.json") };
    const found = await listed(answers, { instanceIds: [], includeDeletedInstances: true });
    const [first, second] = found.filter(({ instanceDeleted }) => instanceDeleted);
    expect(first).toMatchObject({
      instanceId: "rm-gone",
      backupId: "300000001",
      fileName: "hins9_data_20261101180200_qp.xb",
      engine: "unknown",
      crc64: null,
      startedAt: "2026-11-01T18:02:00.000Z",
    });
    expect(second).toMatchObject({ hasLink: false, fileName: null, startedAt: "2026-11-02T18:02:00.000Z" });
  });
});

describe("the address of a backup", () => {
  const ref = { instanceId: "rm-1", backupId: "321020562", instanceDeleted: false, startedAt: "2026-11-19T18:02:00Z" };

  it("tells when it expires, signed either way", async () => {
    const expiry = async (name: string) => {
      const answers = { DescribeBackups: recorded(`aliyun-rds/describe-backups-${name}.json`) };
      const located = await withAnswers(answers, (inventory) => inventory.locate(ref));
      return located.addressExpiresAt;
    };
    expect(await expiry("full")).toBe(new Date(1_795_115_400_000).toISOString());
    expect(await expiry("v4-link")).toBe("2026-11-19T20:02:00.000Z");
  });

  it.each([
    ["http://host/a.xb", null],
    ["http://host/a.xb?Expires=soon", null],
    ["http://host/a.xb?Expires=0", null],
    ["http://host/a.xb?x-oss-date=20261119T180200Z", null],
    ["http://host/a.xb?x-oss-date=yesterday&x-oss-expires=60", null],
    ["http://host/a.xb?x-oss-date=20261231T235959Z&x-oss-expires=1", "2027-01-01T00:00:00.000Z"],
  ])("%s expires at %s", (address, expected) => {
    expect(expiryOf(address)).toBe(expected);
  });
});

describe("an error answer of Aliyun", () => {
  const errors: Readonly<Record<string, readonly [name: string, calls: number]>> = {
    "rpc-error-400-incorrect-status.json": ["SourceUnavailable", 5],
    "rpc-error-400-invalid-start-time.json": ["SourceRefused", 1],
    "rpc-error-400-signature-does-not-match.json": ["SourceRefused", 2],
    "rpc-error-400-throttling-user.json": ["SourceThrottled", 5],
    "rpc-error-403-forbidden-ram.json": ["SourceRefused", 1],
    "rpc-error-403-security-token-expired.json": ["SourceRefused", 2],
    "rpc-error-404-access-key-not-found.json": ["SourceRefused", 2],
    "rpc-error-500-internal-error.json": ["SourceUnavailable", 5],
    "rpc-error-503-service-unavailable.json": ["SourceUnavailable", 5],
  };

  it("is expected here for every one that was kept", () => {
    const kept = readdirSync(new URL("../../../fixtures/replication/aliyun-rds", import.meta.url));
    expect(kept.filter((file) => file.startsWith("rpc-error-")).sort()).toEqual(Object.keys(errors).sort());
  });

  it.each(Object.entries(errors))("%s becomes a name, after so many calls: %j", async (file, [name, calls]) => {
    const page = recorded(`aliyun-rds/${file}`);
    const status = Number(file.slice("rpc-error-".length).slice(0, 3));
    await withAnswers(
      { DescribeBackups: page },
      async (inventory, aliyun) => {
        const ref = { instanceId: "rm-1", backupId: "1", instanceDeleted: false, startedAt: "2026-11-19T18:02:00Z" };
        const error = await rejection(inventory.locate(ref));
        expect(error.name).toBe(name);
        expect(error.message).toContain(/"Code":"([^"]*)"/.exec(page)?.[1]);
        expect(error.message).not.toMatch(/CAISe|token-of-causeway|secret-half/);
        expect(aliyun.requests).toHaveLength(calls);
        // A pair that Aliyun does not take any more is read anew, once.
        expect(secretReads).toBe(calls === 2 ? 2 : 1);
      },
      status,
    );
  });
});

describe("what Aliyun is asked for", () => {
  it("is minutes in UTC, pages of a hundred, slices of a week that overlap; signed, with the token, the secret half nowhere", async () => {
    const window = {
      startMilliseconds: Date.UTC(2026, 10, 1, 5, 7, 59),
      endMilliseconds: Date.UTC(2026, 10, 10, 1, 1, 1),
    };
    await withAnswers({}, async (inventory, aliyun) => {
      expect(await collect(inventory.list({ ...filter, window }, noProblem))).toEqual([]);
      const queries = aliyun.requests.map(({ url }) => new URL(url ?? "", aliyun.url).searchParams);
      expect(queries.map((query) => [query.get("StartTime"), query.get("EndTime")])).toEqual([
        ["2026-11-01T05:07Z", "2026-11-08T05:08Z"],
        ["2026-11-06T05:07Z", "2026-11-10T01:02Z"],
      ]);
      expect(queries.map((query) => query.get("PageSize"))).toEqual(["100", "100"]);
      for (const { headers, url } of aliyun.requests) {
        expect(headers["x-acs-security-token"]).toBe(keys.securityToken);
        expect(headers.authorization).toContain(keys.accessKeyId);
        expect(JSON.stringify([headers, url])).not.toContain(keys.accessKeySecret);
      }
    });
  });

  it("ends when a page is empty, whatever the counts say", async () => {
    const endless = '{"Items":{"Backup":[]},"TotalRecordCount":"1000000"}';
    await withAnswers({ DescribeBackups: endless }, async (inventory, aliyun) => {
      expect(await collect(inventory.list(filter, noProblem))).toEqual([]);
      expect(aliyun.requests).toHaveLength(1);
    });
  });
});

describe("Aliyun's key pair", () => {
  it("is read again after five minutes, so that a rotation is met before the old pair ends", async () => {
    await using secrets = await secretServer();
    pointSdkAt(secrets.url);
    let now = 0;
    const credentials = aliyunCredentials(new SecretsManagerClient({}), "/test/replication/aliyun", () => now);
    expect(await credentials.read()).toEqual(keys);
    now = 5 * 60_000 - 1;
    await credentials.read();
    expect(secretReads).toBe(1);
    now += 1;
    await credentials.read();
    expect(secretReads).toBe(2);
    credentials.forget();
    await credentials.read();
    expect(secretReads).toBe(3);
  });
});
