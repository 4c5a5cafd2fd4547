// What the suites of every inventory share: one instance, quick backups, a list that must have no problem, faults.
import { expect } from "vitest";
import type { SourceBackup } from "../../../../lambdas/replication/backup.ts";
import type { InstanceProblem, InventoryFilter } from "../../../../lambdas/replication/inventories/inventory.ts";
import type { NewBackup } from "../../../../local/aliyun-rds/catalogue.ts";
import type { FaultEffect } from "../../../../local/rig/faults.ts";
import { collect } from "../outcomes.ts";
import { type InventoryStage, inventoryStages } from "./inventory-stages.ts";

export const minute = 60_000;
export const day = 86_400_000;
/** On the minute, an hour ago. */
export const noon = Math.floor(Date.now() / minute) * minute - 60 * minute;
export const instanceId = "rm-bp1mysql";
const everything: InventoryFilter = {
  instanceIds: [],
  window: { startMilliseconds: noon - 30 * day, endMilliseconds: noon + minute },
  types: [],
  methods: [],
  includeDeletedInstances: true,
};

/** A fresh stage with one instance. */
export async function startInventory(name: string): Promise<InventoryStage> {
  const start = inventoryStages[name];
  if (start === undefined) throw new Error(`there is no stage for the inventory ${name}`);
  const here = await start();
  here.addInstance({ instanceId, engine: "MySQL", engineVersion: "8.0" });
  return here;
}

let backups = 0;

/** A backup of a few bytes; its id is returned. */
export async function add(here: InventoryStage, more: Partial<NewBackup> = {}): Promise<string> {
  backups += 1;
  const backupId = String(321_000_000 + backups);
  const startedAt = noon - backups * 1000;
  const content = { bytes: Buffer.from(backupId) };
  await here.addBackup({ instanceId, backupId, startedAt, content, ...more });
  return backupId;
}

/** Fails when an instance could not be listed, unless the problems are asked for. */
export async function list(
  here: InventoryStage,
  filter: Partial<InventoryFilter> = {},
  problems?: InstanceProblem[],
): Promise<SourceBackup[]> {
  const met: InstanceProblem[] = problems ?? [];
  const found = await collect(here.inventory.list({ ...everything, ...filter }, (problem) => met.push(problem)));
  if (problems === undefined) expect(met).toEqual([]);
  return found;
}

export const idsOf = (found: readonly SourceBackup[]) => found.map(({ backupId }) => backupId).sort();
export const failList = (here: InventoryStage, effect: FaultEffect, times = 1) =>
  here.faults.add({ service: here.service, operation: here.listOperation, effect, times });
export const failEverything = (here: InventoryStage, effect: FaultEffect) =>
  here.faults.add({ service: here.service, effect, times: 1000 });
