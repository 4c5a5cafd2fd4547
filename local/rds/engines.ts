// Which engines can be exported, and which of the two ways they name and type things.
// Source: the table of engine versions in "Exporting DB snapshot data to Amazon S3", RDS and Aurora User Guides.

export type EngineFamily = "mysql" | "postgres";

interface ExportableEngine {
  readonly family: EngineFamily;
  /** By branch, oldest first: the oldest version whose snapshots can be exported. Later branches all can. */
  readonly branches: readonly (readonly [branch: string, oldest: string])[];
}

const exportable: Readonly<Record<string, ExportableEngine>> = {
  mysql: {
    family: "mysql",
    branches: [
      ["5.6", "5.6.40"],
      ["5.7", "5.7.24"],
      ["8.0", "8.0.13"],
    ],
  },
  mariadb: {
    family: "mysql",
    branches: [
      ["10.0", "10.0.32"],
      ["10.1", "10.1.26"],
      ["10.2", "10.2.12"],
      ["10.3", "10.3"],
    ],
  },
  postgres: {
    family: "postgres",
    branches: [
      ["9.4", "9.4.21"],
      ["9.5", "9.5.16"],
      ["9.6", "9.6.12"],
      ["10", "10.7"],
      ["11", "11.2"],
    ],
  },
  "aurora-mysql": { family: "mysql", branches: [["2", "2.4.4"]] },
  "aurora-postgresql": {
    family: "postgres",
    branches: [
      ["9.6", "9.6.11"],
      ["10", "10.6"],
    ],
  },
};

/** Undefined for engines that cannot be exported: Oracle, SQL Server, Db2, RDS Custom. */
export function familyOf(engine: string): EngineFamily | undefined {
  return exportable[engine]?.family;
}

export function isExportable(engine: string, engineVersion: string): boolean {
  const branches = exportable[engine]?.branches;
  if (!branches) return false;
  // Aurora MySQL names two versions, of which its own is the second: 8.0.mysql_aurora.3.05.2.
  const version = numbersOf(/mysql_aurora\.(.+)$/.exec(engineVersion)?.[1] ?? engineVersion);
  const own = branches.find(([branch]) => numbersOf(branch).every((number, index) => version[index] === number));
  if (own) return compare(version, numbersOf(own[1])) >= 0;
  const [newest = ""] = branches.at(-1) ?? [];
  return compare(version, numbersOf(newest)) > 0;
}

function numbersOf(version: string): number[] {
  return version.split(".").map(Number);
}

/** What is not said counts as 0. */
function compare(left: readonly number[], right: readonly number[]): number {
  for (let index = 0; index < Math.max(left.length, right.length); index += 1) {
    const difference = (left[index] ?? 0) - (right[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
