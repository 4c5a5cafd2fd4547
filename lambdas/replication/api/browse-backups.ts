// What Aliyun has now: a page of instances, or one instance's backups of a window, each judged as a run would judge it.
import * as z from "zod";
import { readCursor, writeCursor } from "../../shared/cursor.ts";
import { CausewayError } from "../../shared/errors.ts";
import { wrongInput } from "../../shared/wrong-input.ts";
import { copyIdOf, type SourceBackup } from "../backup.ts";
import type { CopyState } from "../copy.ts";
import type { BackupInventory, InstanceDirectory, InventoryWindow } from "../inventories/inventory.ts";
import { type ValidationRules, validateBackup } from "../validate-backup.ts";
import { type backupShape, type browsedBackups, longestWindowDays } from "./answers.ts";

export interface BrowseQuery {
  readonly instanceId?: string | undefined;
  readonly start?: string | undefined;
  readonly end?: string | undefined;
  readonly cursor?: string | undefined;
  readonly limit: number;
}

export interface BrowseSettings {
  /** Those that the schedule copies; empty: all. */
  readonly instanceIds: readonly string[];
  readonly windowHours: number;
  readonly maximumAgeHours: number;
  readonly includeDeletedInstances: boolean;
  readonly largestObjectBytes: number;
}

export interface BrowsePorts {
  readonly inventory: BackupInventory & InstanceDirectory;
  statesOf(copyIds: readonly string[]): Promise<Map<string, CopyState>>;
  now(): number;
}

type Browsed = z.input<typeof browsedBackups>;
type BrowsedBackup = z.input<typeof backupShape>;

/** Of some 700 bytes each: an answer of 1.4 MB. */
const mostBackups = 2_000;
const hourMilliseconds = 3_600_000;
const instancePosition = z.strictObject({ page: z.int().min(1).max(10_000) });

/** Throws what the inventory throws, `NotFound` for an instance that there is not, `TooManyBackups` above 2,000. */
export async function browseBackups(
  query: BrowseQuery,
  settings: BrowseSettings,
  ports: BrowsePorts,
): Promise<Browsed> {
  const { instanceId, start, end, cursor } = query;
  if (instanceId === undefined) {
    refuse({ start, end }, "Give it together with instanceId: instances have no time.");
    return browseInstances(query, settings, ports.inventory);
  }
  refuse({ cursor }, "Leave it out: one instance's backups are answered at once, the whole window.");
  const now = ports.now();
  const window = windowOf(query, settings, now);
  const found = await collect(instanceId, window, settings, ports.inventory);
  if (found.length === 0) await demandInstance(instanceId, ports.inventory);
  const states = await ports.statesOf(found.map(copyIdOf));
  const rules: ValidationRules = { ...settings, nowMilliseconds: now };
  return {
    list: "backups",
    instanceId,
    window: { start: timeOf(window.startMilliseconds), end: timeOf(window.endMilliseconds) },
    items: found
      .map((backup) => describe(backup, states.get(copyIdOf(backup)) ?? null, rules))
      .sort((left, right) => (right.startedAt ?? "").localeCompare(left.startedAt ?? "")),
    cursor: null,
  };
}

async function browseInstances(
  { cursor, limit }: BrowseQuery,
  { instanceIds }: BrowseSettings,
  inventory: InstanceDirectory,
): Promise<Browsed> {
  const scope = ["instances", limit];
  const page = readCursor(scope, cursor, instancePosition)?.page ?? 1;
  const { instances, hasMore } = await inventory.instances({ number: page, size: limit });
  return {
    list: "instances",
    items: instances.map((instance) => ({
      ...instance,
      isScheduled: instanceIds.length === 0 || instanceIds.includes(instance.instanceId),
    })),
    cursor: hasMore ? writeCursor(scope, { page: page + 1 }) : null,
  };
}

function refuse(fields: Readonly<Record<string, string | undefined>>, problem: string): void {
  const given = Object.entries(fields).filter(([, value]) => value !== undefined);
  if (given.length > 0) throw wrongInput(given.map(([name]) => ({ field: `query.${name}`, problem })));
}

function windowOf({ start, end }: BrowseQuery, settings: BrowseSettings, now: number): InventoryWindow {
  const longest = longestWindowDays * 24 * hourMilliseconds;
  const endMilliseconds = end === undefined ? now : Date.parse(end);
  const usual = Math.min(settings.windowHours * hourMilliseconds, longest);
  const startMilliseconds = start === undefined ? endMilliseconds - usual : Date.parse(start);
  if (startMilliseconds >= endMilliseconds) {
    throw wrongInput([{ field: "query.start", problem: "Give a start that is before the end." }]);
  }
  if (endMilliseconds - startMilliseconds > longest) {
    const problem = `Give a window of at most ${longestWindowDays} days; ask for longer ones piece by piece.`;
    throw wrongInput([{ field: "query.start", problem }]);
  }
  return { startMilliseconds, endMilliseconds };
}

async function collect(
  instanceId: string,
  window: InventoryWindow,
  { includeDeletedInstances }: BrowseSettings,
  inventory: BackupInventory,
): Promise<SourceBackup[]> {
  // By id: pages that shift while they are read may show a backup twice.
  const found = new Map<string, SourceBackup>();
  const filter = { instanceIds: [instanceId], window, types: [], methods: [], includeDeletedInstances };
  const backups = inventory.list(filter, ({ reason, isUnknown }) => {
    if (isUnknown) throw noInstance(instanceId);
    throw new CausewayError("SourceRefused", `The backups of ${instanceId} could not be listed. ${reason}`);
  });
  for await (const backup of backups) {
    if (!found.has(copyIdOf(backup))) found.set(copyIdOf(backup), backup);
    if (found.size > mostBackups) {
      throw new CausewayError(
        "TooManyBackups",
        `${instanceId} has more than ${mostBackups} backups in this window. Ask for a shorter one.`,
      );
    }
  }
  return [...found.values()];
}

/** Where deleted instances are asked for as well, nothing is what an id without an instance gives, too. */
async function demandInstance(instanceId: string, inventory: InstanceDirectory): Promise<void> {
  const { instances } = await inventory.instances({ number: 1, size: 1, instanceId });
  if (instances.length === 0) throw noInstance(instanceId);
}

function noInstance(instanceId: string): CausewayError {
  return new CausewayError(
    "NotFound",
    `Aliyun has no instance ${instanceId} in this region, nor backups of this window that were left of one.`,
  );
}

function describe(backup: SourceBackup, copyState: CopyState | null, rules: ValidationRules): BrowsedBackup {
  const judged = validateBackup(backup, rules);
  const isCopied = copyState === "verified" || copyState === "copied-unverified";
  return {
    ...backup,
    copyId: copyIdOf(backup),
    sizeBytes: Number.isSafeInteger(backup.sizeBytes) ? backup.sizeBytes : null,
    restorability: judged.restorability,
    verdict: isCopied ? "copied" : judged.copyable ? "copyable" : "refused",
    reason: isCopied || judged.copyable ? null : judged.reason,
    copyState,
  };
}

const timeOf = (milliseconds: number) => new Date(milliseconds).toISOString();
