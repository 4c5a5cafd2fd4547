// Usage records as Parquet, Snappy-compressed, in row groups: what is in memory is one group.
import { ByteWriter, type ColumnSource, ParquetWriter, schemaFromColumnData } from "hyparquet-writer";
import { type ColumnKind, recordColumns } from "../counting/record-columns.ts";
import type { UsageRecord } from "../counting/usage-record.ts";
import type { ByteSink, RecordsFormat } from "./format.ts";

/** Large enough to compress well, small enough to hold: about 20 MB. */
const rowsPerGroup = 20_000;

const types = { text: "STRING", count: "INT64", flag: "BOOLEAN", time: "TIMESTAMP" } as const satisfies Record<
  ColumnKind,
  ColumnSource["type"]
>;

export const parquet: RecordsFormat = {
  name: "parquet",
  contentType: "application/vnd.apache.parquet",
  open(sink) {
    const writer = new SinkWriter(sink);
    // Empty columns of a known type give the schema, also where there is no record at all.
    const schema = schemaFromColumnData({ columnData: columnsOf([]) });
    const file = new ParquetWriter({ writer, schema, createdBy: "causeway" });
    let waiting: UsageRecord[] = [];
    const writeGroup = async (rows: readonly UsageRecord[]) => {
      await file.write({ columnData: columnsOf(rows), rowGroupSize: rowsPerGroup });
    };
    return {
      async write(records) {
        waiting.push(...records);
        while (waiting.length >= rowsPerGroup) {
          const group = waiting.slice(0, rowsPerGroup);
          waiting = waiting.slice(rowsPerGroup);
          await writeGroup(group);
        }
      },
      async finish() {
        if (waiting.length > 0) await writeGroup(waiting);
        await file.finish();
        await writer.flush();
      },
    };
  },
};

/** Hands its bytes on after each row group. */
class SinkWriter extends ByteWriter {
  readonly #sink: ByteSink;

  constructor(sink: ByteSink) {
    super();
    this.#sink = sink;
  }

  async flush(): Promise<void> {
    const bytes = Uint8Array.from(this.getBytes());
    this.index = 0;
    await this.#sink.write(bytes);
  }
}

function columnsOf(records: readonly UsageRecord[]): ColumnSource[] {
  return recordColumns.map(({ name, kind, read }) => ({
    name,
    type: types[kind],
    nullable: true,
    data: records.map((record) => valueIn(kind, read(record))),
  }));
}

function valueIn(kind: ColumnKind, value: string | number | boolean | null): unknown {
  if (value === null) return null;
  if (kind === "count") return BigInt(Number(value));
  return kind === "time" ? new Date(String(value)) : value;
}
