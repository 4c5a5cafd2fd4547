// What RDS has now: every snapshot with what the next run would do with it, and why; by pages, the newest first.
import * as z from "zod";
import { readCursor, writeCursor } from "../../shared/cursor.ts";
import { CausewayError } from "../../shared/errors.ts";
import { type Choice, chooseSnapshots, databaseKeyOf, type Verdict } from "../exports/choose-snapshots.ts";
import type { ExportItem } from "../exports/export-item.ts";
import type { Database } from "../exports/list-snapshots.ts";
import { exportIdOf, type Snapshot } from "../exports/snapshot.ts";
import type { snapshotShape } from "./answers.ts";
import type { PageOf } from "./pages.ts";
import { notExporting } from "./start-work.ts";

export interface SnapshotsQuery {
  readonly cursor?: string | undefined;
  readonly limit: number;
  readonly databaseId?: string | undefined;
  readonly verdict?: Verdict | undefined;
}

export interface SnapshotsSettings {
  /** Empty: every database of the region. */
  readonly databaseIds: readonly string[];
  readonly recoveryPointObjectiveHours: number;
  readonly largestSnapshotBytes: number;
  readonly accountId: string;
  readonly region: string;
}

export interface SnapshotsPorts {
  readonly snapshots: { list(): AsyncIterable<Snapshot>; databases(): Promise<Database[]> };
  knownExports(exportIds: readonly string[]): Promise<Map<string, ExportItem>>;
  now(): number;
}

type BrowsedSnapshot = z.input<typeof snapshotShape>;

/** The snapshot that a page ended with: newer ones may come meanwhile, and change nothing behind it. */
const position = z.strictObject({ takenAt: z.string(), arn: z.string() });

/** `settings`: undefined where the stage exports nothing; then `Conflict`. Throws what the store of snapshots throws. */
export async function browseSnapshots(
  query: SnapshotsQuery,
  settings: SnapshotsSettings | undefined,
  ports: SnapshotsPorts,
): Promise<PageOf<BrowsedSnapshot>> {
  if (settings === undefined) throw new CausewayError("Conflict", notExporting);
  const { databaseId, verdict, limit } = query;
  const scope = ["snapshots", databaseId ?? null, verdict ?? null];
  const after = readCursor(scope, query.cursor, position);
  const { choices, known } = await judge(settings, ports);
  const wanted = choices
    .filter(({ snapshot }) => databaseId === undefined || isSame(snapshot.databaseId, databaseId))
    .filter((choice) => verdict === undefined || choice.verdict === verdict)
    .sort((left, right) => compare(placeOf(left), placeOf(right)))
    .filter((choice) => after === undefined || compare(after, placeOf(choice)) < 0);
  const page = wanted.slice(0, limit);
  const last = page.at(-1);
  return {
    items: page.map((choice) => describe(choice, known.get(choice.exportId))),
    cursor: last !== undefined && wanted.length > limit ? writeCursor(scope, placeOf(last)) : null,
  };
}

async function judge(settings: SnapshotsSettings, { snapshots, knownExports, now }: SnapshotsPorts) {
  // By ARN: pages that shift while they are read may show a snapshot twice.
  const found = new Map<string, Snapshot>();
  for await (const snapshot of snapshots.list()) found.set(snapshot.arn, snapshot);
  const databases = await snapshots.databases();
  const known = await knownExports([...found.keys()].map(exportIdOf));
  const { databaseIds } = settings;
  const isChosen = (databaseId: string) => databaseIds.length === 0 || databaseIds.some((id) => isSame(id, databaseId));
  const ofStage = [...found.values()].filter((snapshot) => isChosen(snapshot.databaseId));
  const others = [...found.values()].filter((snapshot) => !isChosen(snapshot.databaseId));
  const liveDatabases = new Set(databases.map(databaseKeyOf));
  const rules = { ...settings, nowMilliseconds: now(), force: false, liveDatabases };
  return { choices: [...chooseSnapshots(ofStage, known, rules), ...others.map(passedOver)], known };
}

function passedOver(snapshot: Snapshot): Choice {
  const reason = "not chosen: replication.exports.databaseIds does not name its database";
  return { exportId: exportIdOf(snapshot.arn), snapshot, verdict: "set-aside", reason, isReported: false };
}

/** RDS keeps identifiers in lower case, whatever they were typed as. */
const isSame = (left: string, right: string) => left.toLowerCase() === right.toLowerCase();

const placeOf = ({ snapshot }: Choice) => ({ takenAt: snapshot.takenAt ?? "", arn: snapshot.arn });

/** The newest first; of the same time, in the order of their ARNs. */
function compare(left: z.infer<typeof position>, right: z.infer<typeof position>): number {
  if (left.takenAt !== right.takenAt) return left.takenAt > right.takenAt ? -1 : 1;
  return left.arn === right.arn ? 0 : left.arn < right.arn ? -1 : 1;
}

function describe({ exportId, snapshot, verdict, reason }: Choice, item: ExportItem | undefined): BrowsedSnapshot {
  return { ...snapshot, exportId, verdict, reason, exportState: item?.state ?? null };
}
