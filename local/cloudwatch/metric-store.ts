// Metrics, kept as CloudWatch keeps them: per minute, one set of statistics for each name, dimensions and unit.
import type { DatabaseSync, StatementSync } from "node:sqlite";

export interface Dimension {
  readonly Name: string;
  readonly Value: string;
}

export interface MetricData {
  readonly namespace: string;
  readonly name: string;
  readonly dimensions: readonly Dimension[];
  /** "Count", "Bytes", "Milliseconds" …; "None" if not said. */
  readonly unit: string;
  readonly timestampMilliseconds: number;
  readonly sampleCount: number;
  readonly sum: number;
  readonly minimum: number;
  readonly maximum: number;
}

export interface Datapoint {
  readonly timestampMilliseconds: number;
  readonly unit: string;
  readonly sampleCount: number;
  readonly sum: number;
  readonly minimum: number;
  readonly maximum: number;
}

export interface MetricName {
  readonly namespace: string;
  readonly name: string;
  readonly dimensions: readonly Dimension[];
}

export interface DatapointQuery extends MetricName {
  readonly unit: string | undefined;
  readonly startMilliseconds: number;
  readonly endMilliseconds: number;
  readonly periodMilliseconds: number;
}

const minuteMilliseconds = 60_000;
/** CloudWatch keeps minutes for fifteen days. */
const retentionMilliseconds = 15 * 86_400_000;
const mostRows = 500_000;
const putsBetweenCleanings = 1000;

const schema = `
  CREATE TABLE IF NOT EXISTS minutes (
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    dimensions TEXT NOT NULL,
    unit TEXT NOT NULL,
    minute INTEGER NOT NULL,
    sample_count REAL NOT NULL,
    sum REAL NOT NULL,
    minimum REAL NOT NULL,
    maximum REAL NOT NULL,
    PRIMARY KEY (namespace, name, dimensions, unit, minute)
  ) STRICT
`;

const putting = `
  INSERT INTO minutes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT DO UPDATE SET sample_count = sample_count + excluded.sample_count, sum = sum + excluded.sum,
    minimum = min(minimum, excluded.minimum), maximum = max(maximum, excluded.maximum)
`;

export class MetricStore {
  readonly #database: DatabaseSync;
  readonly #put: StatementSync;
  #puts = 0;

  constructor(database: DatabaseSync) {
    this.#database = database;
    database.exec(schema);
    this.#put = database.prepare(putting);
  }

  put(data: MetricData, nowMilliseconds: number): void {
    if (this.#puts % putsBetweenCleanings === 0) this.#clean(nowMilliseconds);
    this.#puts += 1;
    this.#put.run(
      data.namespace,
      data.name,
      dimensionsKey(data.dimensions),
      data.unit,
      Math.floor(data.timestampMilliseconds / minuteMilliseconds),
      data.sampleCount,
      data.sum,
      data.minimum,
      data.maximum,
    );
  }

  /** One point per period and unit, oldest first. Periods are whole minutes, counted from the start. */
  datapoints(query: DatapointQuery): Datapoint[] {
    const startMinute = Math.floor(query.startMilliseconds / minuteMilliseconds);
    const rows = this.#database
      .prepare(
        `SELECT CAST((minute - ?1) / ?2 AS INTEGER) AS period, unit, SUM(sample_count) AS sample_count, SUM(sum) AS sum,
                MIN(minimum) AS minimum, MAX(maximum) AS maximum
         FROM minutes
         WHERE namespace = ?3 AND name = ?4 AND dimensions = ?5 AND minute >= ?1 AND minute < ?6
           AND (?7 IS NULL OR unit = ?7)
         GROUP BY period, unit ORDER BY period, unit`,
      )
      .all(
        startMinute,
        query.periodMilliseconds / minuteMilliseconds,
        query.namespace,
        query.name,
        dimensionsKey(query.dimensions),
        Math.ceil(query.endMilliseconds / minuteMilliseconds),
        query.unit ?? null,
      );
    return rows.map((row) => ({
      timestampMilliseconds: startMinute * minuteMilliseconds + Number(row.period) * query.periodMilliseconds,
      unit: String(row.unit),
      sampleCount: Number(row.sample_count),
      sum: Number(row.sum),
      minimum: Number(row.minimum),
      maximum: Number(row.maximum),
    }));
  }

  /** In a fixed order. */
  names(): MetricName[] {
    const rows = this.#database
      .prepare("SELECT DISTINCT namespace, name, dimensions FROM minutes ORDER BY namespace, name, dimensions")
      .all();
    return rows.map((row) => ({
      namespace: String(row.namespace),
      name: String(row.name),
      dimensions: (JSON.parse(String(row.dimensions)) as [string, string][]).map(([Name, Value]) => ({ Name, Value })),
    }));
  }

  #clean(nowMilliseconds: number): void {
    const oldest = Math.floor((nowMilliseconds - retentionMilliseconds) / minuteMilliseconds);
    this.#database.prepare("DELETE FROM minutes WHERE minute < ?").run(oldest);
    this.#database
      .prepare("DELETE FROM minutes WHERE minute < (SELECT minute FROM minutes ORDER BY minute DESC LIMIT 1 OFFSET ?)")
      .run(mostRows);
  }
}

/** The order in which dimensions were given does not matter. */
function dimensionsKey(dimensions: readonly Dimension[]): string {
  const pairs = dimensions.map(({ Name, Value }): [string, string] => [Name, Value]);
  return JSON.stringify(pairs.sort(([left], [right]) => (left < right ? -1 : 1)));
}
