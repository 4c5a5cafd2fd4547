// Puts sample databases and their snapshots on the local RDS: two that can be exported, and some that cannot.
import type { NewSnapshot } from "../rds/catalogue.ts";
import type { RdsService } from "../rds/rds-service.ts";
import type { Clock } from "../rig/clock.ts";
import { ledgerTables, orderTables } from "./rds-tables.ts";
import { readTakenAt } from "./sample-file.ts";

export interface RdsSampleOptions {
  /** Keeps when the samples were taken, e.g. `.causeway/samples`. Made when missing. */
  readonly directory: string;
  /** Default 1. */
  readonly seed?: number;
}

export interface RdsSample {
  readonly snapshotId: string;
  readonly arn: string;
  readonly databaseId: string;
  /** What an export run without input has to do with it. */
  readonly outcome: "exported" | "refused";
  /** A few words for people: what is special about it. */
  readonly about: string;
}

export const sampleDatabases = {
  mysql: "orders",
  postgres: "ledger",
  /** Its only snapshot is older than any recovery point objective. */
  forgotten: "archive",
  /** Its engine cannot be exported. */
  sqlServer: "invoices",
} as const;

const millisecondsPerHour = 3_600_000;
const hoursPerDay = 24;

interface Plan extends Omit<NewSnapshot, "createdAtMilliseconds"> {
  readonly hoursAgo: number;
  readonly outcome: RdsSample["outcome"];
  readonly about: string;
}

/** The same call after a restart changes nothing; a day later it adds the new day's snapshots. */
export async function registerRdsSamples(
  cloud: { readonly rds: RdsService; readonly clock: Clock },
  { directory, seed = 1 }: RdsSampleOptions,
): Promise<RdsSample[]> {
  const takenAt = await readTakenAt(directory, cloud.clock.now());
  addDatabases(cloud.rds, seed);
  return plansOf(takenAt).map(({ hoursAgo, outcome, about, ...snapshot }) => {
    const createdAtMilliseconds = takenAt - hoursAgo * millisecondsPerHour;
    const { snapshotId, arn } = cloud.rds.addSnapshot({
      ...snapshot,
      createdAtMilliseconds,
      // A snapshot holds what was there some minutes before RDS had made it.
      databaseTimeMilliseconds: createdAtMilliseconds - 5 * 60_000,
    });
    return { snapshotId, arn, databaseId: snapshot.databaseId, outcome, about };
  });
}

function addDatabases(rds: RdsService, seed: number): void {
  const { mysql, postgres, forgotten, sqlServer } = sampleDatabases;
  rds.ensureDatabase({ databaseId: mysql, engine: "mysql", engineVersion: "8.0.39", tables: orderTables(seed) });
  rds.ensureDatabase({
    databaseId: postgres,
    engine: "aurora-postgresql",
    engineVersion: "16.4",
    tables: ledgerTables(seed),
  });
  rds.ensureDatabase({ databaseId: forgotten, engine: "mariadb", engineVersion: "10.6.18" });
  rds.ensureDatabase({ databaseId: sqlServer, engine: "sqlserver-ex", engineVersion: "16.00.4095.4.v1" });
}

function plansOf(takenAt: number): Plan[] {
  const { mysql, postgres, forgotten, sqlServer } = sampleDatabases;
  const nightly = (databaseId: string, hoursAgo: number) =>
    `rds:${databaseId}-${stamp(takenAt - hoursAgo * millisecondsPerHour)}`;
  return [
    {
      databaseId: mysql,
      snapshotId: nightly(mysql, 3),
      type: "automated",
      hoursAgo: 3,
      outcome: "exported",
      about: "automated, MySQL, 20,000 rows",
    },
    {
      databaseId: postgres,
      snapshotId: `${postgres}-by-hand-${stamp(takenAt - 2 * millisecondsPerHour)}`,
      hoursAgo: 2,
      outcome: "exported",
      about: "manual, of a PostgreSQL cluster",
    },
    {
      databaseId: mysql,
      snapshotId: `${mysql}-failed-${stamp(takenAt - 2 * millisecondsPerHour)}`,
      hoursAgo: 2,
      status: "failed",
      outcome: "refused",
      about: "failed",
    },
    {
      databaseId: mysql,
      snapshotId: `${mysql}-unfinished-${stamp(takenAt)}`,
      hoursAgo: 0,
      status: "creating",
      percentProgress: 40,
      outcome: "refused",
      about: "still being made",
    },
    {
      databaseId: forgotten,
      snapshotId: `${forgotten}-before-upgrade`,
      hoursAgo: 400 * hoursPerDay,
      outcome: "refused",
      about: "too old",
    },
    {
      databaseId: sqlServer,
      snapshotId: nightly(sqlServer, 4),
      type: "automated",
      hoursAgo: 4,
      outcome: "refused",
      about: "SQL Server, which RDS does not export",
    },
  ];
}

/** As RDS names its own: 2026-11-20-03-30. */
function stamp(milliseconds: number): string {
  return new Date(milliseconds).toISOString().slice(0, 16).replace(/[T:]/g, "-");
}
