// What every inventory must do, run over the registry: every backup once and with its facts, a fresh address, named errors.
import { beforeEach, describe, expect, it } from "vitest";
import type { SourceBackup } from "../../../../lambdas/replication/backup.ts";
import { inventories } from "../../../../lambdas/replication/inventories/index.ts";
import type { InstanceProblem, SourceInstance } from "../../../../lambdas/replication/inventories/inventory.ts";
import type { FaultEffect } from "../../../../local/rig/faults.ts";
import { calmRandom } from "../calm-random.ts";
import { rejection } from "../outcomes.ts";
import {
  add,
  day,
  failEverything,
  failList,
  idsOf,
  instanceId,
  list,
  minute,
  noon,
  startInventory,
} from "./inventory-listing.ts";
import { inventoryStages } from "./inventory-stages.ts";

beforeEach(calmRandom);

it("every inventory of the registry has a stage", () => {
  expect(Object.keys(inventoryStages).sort()).toEqual(Object.keys(inventories).sort());
});

describe.each(Object.keys(inventories))("the inventory %s", (name) => {
  it("tells all that is known of a backup, and hands out no address in the list", async () => {
    await using here = await startInventory(name);
    await here.addBackup({
      instanceId,
      backupId: "321020562",
      fileName: `备份 a+b%20"'.sql.gz`,
      startedAt: noon,
      endedAt: noon + 90_000,
      expiresAt: noon + 7 * day,
      backupMethod: "Logical",
      hostInstanceId: "10443922",
      content: { bytes: Buffer.from("123456789") },
    });
    const found = await list(here);
    expect(found).toEqual([
      {
        source: name,
        instanceId,
        engine: "mysql",
        backupId: "321020562",
        fileName: `备份 a+b%20"'.sql.gz`,
        sizeBytes: 9,
        method: "Logical",
        type: "FullBackup",
        status: "Success",
        startedAt: new Date(noon).toISOString(),
        endedAt: new Date(noon + 90_000).toISOString(),
        expiresAt: new Date(noon + 7 * day).toISOString(),
        crc64: "11051210869376104954",
        isAvailable: true,
        metaStatus: "OK",
        isEncrypted: false,
        isArchived: false,
        hasLink: true,
        instanceDeleted: false,
        hostInstanceId: "10443922",
      },
    ] satisfies SourceBackup[]);
    expect(JSON.stringify(found)).not.toContain("Signature");
  });

  it("tells what speaks against copying", async () => {
    await using here = await startInventory(name);
    const ids = {
      failed: await add(here, { backupStatus: "Failed" }),
      unavailable: await add(here, { isAvail: 0 }),
      empty: await add(here, { metaStatus: "EMPTY" }),
      encrypted: await add(here, { encryption: '{"Encrypted":true,"KeyId":"k"}' }),
      archived: await add(here, { storageClass: "1" }),
      snapshot: await add(here, { backupMethod: "Snapshot" }),
      unsummed: await add(here, { checksum: "empty" }),
    };
    const of = new Map((await list(here)).map((backup) => [backup.backupId, backup]));
    expect(of.get(ids.failed)).toMatchObject({ status: "Failed" });
    expect(of.get(ids.unavailable)).toMatchObject({ isAvailable: false });
    expect(of.get(ids.empty)).toMatchObject({ metaStatus: "EMPTY" });
    expect(of.get(ids.encrypted)).toMatchObject({ isEncrypted: true });
    expect(of.get(ids.archived)).toMatchObject({ isArchived: true });
    expect(of.get(ids.snapshot)).toMatchObject({ method: "Snapshot", hasLink: false, fileName: null });
    expect(of.get(ids.unsummed)).toMatchObject({ crc64: null });
  });

  it("brings every page, each backup once", async () => {
    await using here = await startInventory(name);
    const ids: string[] = [];
    for (let count = 0; count < 230; count += 1) ids.push(await add(here, { checksum: "empty" }));
    expect(idsOf(await list(here))).toEqual(ids.sort());
  });

  it("asks for long windows in slices, and misses nothing at their seams", async () => {
    await using here = await startInventory(name);
    const ids: string[] = [];
    for (let hours = 0; hours < 29 * 24; hours += 12)
      ids.push(await add(here, { startedAt: noon - hours * 3_600_000 }));
    const found = idsOf(await list(here));
    // A seam belongs to both of its slices: a backup of just that minute may come twice, and is one by its id.
    expect([...new Set(found)]).toEqual(ids.sort());
  });

  it("keeps to the window, to the minute, its last one included", async () => {
    await using here = await startInventory(name);
    const at = (milliseconds: number) => add(here, { startedAt: milliseconds });
    const window = { startMilliseconds: noon - 10 * minute, endMilliseconds: noon - 5 * minute + 20_000 };
    await at(noon - 11 * minute);
    const inside = [await at(noon - 10 * minute), await at(noon - 7 * minute - 1), await at(noon - 5 * minute)];
    await at(noon - 3 * minute);
    expect(idsOf(await list(here, { window }))).toEqual(inside.sort());
    expect(await list(here, { window: { startMilliseconds: noon, endMilliseconds: noon } })).toEqual([]);
  });

  it("filters by instance, type and method", async () => {
    await using here = await startInventory(name);
    here.addInstance({ instanceId: "rm-bp2pg", engine: "PostgreSQL", engineVersion: "16" });
    const full = await add(here);
    const incremental = await add(here, { backupType: "IncrementalBackup" });
    const logical = await add(here, { instanceId: "rm-bp2pg", backupMethod: "Logical" });
    expect(idsOf(await list(here))).toEqual([full, incremental, logical].sort());
    expect(idsOf(await list(here, { instanceIds: [instanceId] }))).toEqual([full, incremental].sort());
    expect(idsOf(await list(here, { types: ["IncrementalBackup"] }))).toEqual([incremental]);
    expect(idsOf(await list(here, { methods: ["Logical"] }))).toEqual([logical]);
    expect(idsOf(await list(here, { methods: ["Logical"], types: ["IncrementalBackup"] }))).toEqual([]);
    const [found] = await list(here, { methods: ["Logical"] });
    expect(found).toMatchObject({ engine: "postgresql", instanceId: "rm-bp2pg" });
  });

  it("gives the instances by pages, or one of them", async () => {
    await using here = await startInventory(name);
    for (let count = 0; count < 4; count += 1) {
      here.addInstance({ instanceId: `rm-page${count}`, engine: "PostgreSQL", engineVersion: "16", description: "" });
    }
    here.addInstance({ instanceId: "rm-gone", engine: "MySQL", engineVersion: "5.7", deleted: true });
    const found: SourceInstance[] = [];
    for (let number = 1, hasMore = true; hasMore && number < 10; number += 1) {
      const page = await here.inventory.instances({ number, size: 2 });
      expect(page.instances.length).toBeLessThanOrEqual(2);
      found.push(...page.instances);
      hasMore = page.hasMore;
    }
    const pages = [0, 1, 2, 3].map((count) => `rm-page${count}`);
    expect(found.map((instance) => instance.instanceId)).toEqual([instanceId, ...pages].sort());
    const only = await here.inventory.instances({ number: 1, size: 1, instanceId: "rm-page1" });
    expect(only.instances).toEqual([
      {
        source: name,
        instanceId: "rm-page1",
        description: null,
        engine: "postgresql",
        engineVersion: "16",
        status: "Running",
      },
    ]);
    expect((await here.inventory.instances({ number: 1, size: 1, instanceId: "rm-gone" })).instances).toEqual([]);
  });

  it("finds the backups of deleted instances, where they are wanted", async () => {
    await using here = await startInventory(name);
    here.addInstance({ instanceId: "rm-gone", engine: "MySQL", engineVersion: "5.7", deleted: true });
    const present = await add(here);
    const left = await add(here, { instanceId: "rm-gone" });
    expect(idsOf(await list(here))).toEqual([present, left].sort());
    expect(idsOf(await list(here, { includeDeletedInstances: false }))).toEqual([present]);
    expect(idsOf(await list(here, { instanceIds: [instanceId] }))).toEqual([present]);
    const [found] = await list(here, { instanceIds: ["rm-gone"] });
    expect(found).toMatchObject({ backupId: left, instanceId: "rm-gone", instanceDeleted: true, crc64: null });
    const problems: InstanceProblem[] = [];
    await list(here, { instanceIds: ["rm-gone"], includeDeletedInstances: false }, problems);
    expect(problems).toEqual([
      { instanceId: "rm-gone", reason: expect.stringContaining("InvalidDBInstanceId.NotFound"), isUnknown: true },
    ]);
  });

  it("hands out a fresh address that works, with the facts of now and its expiry", async () => {
    await using here = await startInventory(name);
    const backupId = await add(here, { fileName: "a b.xb" });
    const [listed] = await list(here);
    const located = await here.inventory.locate({
      instanceId,
      backupId,
      instanceDeleted: false,
      startedAt: listed?.startedAt ?? "",
    });
    expect(located.backup).toEqual(listed);
    expect(Date.parse(located.addressExpiresAt ?? "")).toBeGreaterThan(Date.now());
    const answer = await fetch(located.address, { headers: { range: "bytes=0-0" } });
    expect(answer.status).toBe(206);
  });

  it("hands out an address for a backup of a deleted instance", async () => {
    await using here = await startInventory(name);
    here.addInstance({ instanceId: "rm-gone", engine: "MySQL", engineVersion: "5.7", deleted: true });
    const backupId = await add(here, { instanceId: "rm-gone", startedAt: noon - 20 * day });
    await add(here, { instanceId: "rm-gone", startedAt: noon - 20 * day + 1000 });
    const startedAt = new Date(noon - 20 * day).toISOString();
    const ref = { instanceId: "rm-gone", backupId, instanceDeleted: true, startedAt };
    const located = await here.inventory.locate(ref);
    expect(located.backup).toMatchObject({ backupId, instanceDeleted: true });
    expect((await fetch(located.address, { headers: { range: "bytes=0-0" } })).status).toBe(206);
    const missing = { ...ref, backupId: "1" };
    await expect(here.inventory.locate(missing)).rejects.toMatchObject({ name: "BackupNotFound" });
  });

  it("says by name when a backup is gone, or has nothing to download", async () => {
    await using here = await startInventory(name);
    const ref = { instanceId, instanceDeleted: false, startedAt: new Date(noon).toISOString() };
    const snapshot = await add(here, { backupMethod: "Snapshot" });
    const notCopyable = { name: "BackupNotCopyable" };
    await expect(here.inventory.locate({ ...ref, backupId: snapshot })).rejects.toMatchObject(notCopyable);
    const gone = await add(here);
    here.removeBackup(gone);
    await expect(here.inventory.locate({ ...ref, backupId: gone })).rejects.toMatchObject({ name: "BackupNotFound" });
  });

  it.each<[string, FaultEffect]>([
    ["throttling", { kind: "throttle" }],
    ["an error of the vendor", { kind: "error", status: 500, code: "InternalError" }],
    ["an HTML error page", { kind: "error", status: 502, code: "Html" }],
    ["an HTML page that calls itself a success", { kind: "error", status: 200, code: "Html" }],
    ["an answer that breaks off", { kind: "short-body", share: 0.5 }],
    ["a reset connection", { kind: "reset" }],
    ["an answer lost after the work", { kind: "reset-after-work" }],
    ["a nonce that was used", { kind: "error", status: 400, code: "SignatureNonceUsed" }],
  ])("survives %s", async (_, effect) => {
    await using here = await startInventory(name);
    const backupId = await add(here);
    failList(here, effect, 2);
    expect(idsOf(await list(here, { instanceIds: [instanceId], includeDeletedInstances: false }))).toContain(backupId);
    expect(here.faults.fired).toHaveLength(2);
  });

  it.each<[string, FaultEffect, string]>([
    ["throttling", { kind: "throttle" }, "SourceThrottled"],
    ["an error of the vendor", { kind: "error", status: 503, code: "ServiceUnavailable" }, "SourceUnavailable"],
    ["an HTML error page", { kind: "error", status: 502, code: "Html" }, "SourceUnavailable"],
    ["resets", { kind: "reset" }, "SourceUnavailable"],
  ])("gives up on %s that never ends, by a name that a workflow may retry", async (_, effect, errorName) => {
    await using here = await startInventory(name);
    failEverything(here, effect);
    const error = await rejection(list(here));
    expect(error).toMatchObject({ name: errorName, retryable: true });
    expect(here.faults.fired.length).toBeLessThanOrEqual(10);
  });

  it("tells a refusal at once, with the vendor's code", async () => {
    await using here = await startInventory(name);
    failEverything(here, { kind: "error", status: 403, code: "Forbidden.RAM" });
    const refused = { name: "SourceRefused", retryable: false, message: expect.stringContaining("Forbidden.RAM") };
    await expect(list(here)).rejects.toMatchObject(refused);
    expect(here.faults.fired).toHaveLength(1);
  });

  it("lists the other instances when one cannot be listed, and says which and why", async () => {
    await using here = await startInventory(name);
    here.addInstance({ instanceId: "rm-bp2pg", engine: "PostgreSQL", engineVersion: "16" });
    await add(here);
    const listed = await add(here, { instanceId: "rm-bp2pg" });
    const effect: FaultEffect = { kind: "error", status: 403, code: "Forbidden.RAM" };
    here.faults.add({ service: here.service, resourceIncludes: instanceId, effect, times: 1000 });
    const problems: InstanceProblem[] = [];
    expect(idsOf(await list(here, {}, problems))).toEqual([listed]);
    expect(problems).toEqual([{ instanceId, reason: expect.stringContaining("Forbidden.RAM") }]);
  });
});
