// Usage records as CSV: a line of names, then a line per record.
import { csvLine } from "../counting/csv.ts";
import { recordColumns } from "../counting/record-columns.ts";
import type { RecordsFormat } from "./format.ts";

export const csv: RecordsFormat = {
  name: "csv",
  contentType: "text/csv; charset=utf-8",
  open(sink) {
    let beginning = csvLine(recordColumns.map(({ name }) => name));
    const flush = async (lines: string) => {
      const text = beginning + lines;
      beginning = "";
      if (text !== "") await sink.write(Buffer.from(text));
    };
    return {
      write: (records) =>
        flush(records.map((record) => csvLine(recordColumns.map(({ read }) => read(record)))).join("")),
      finish: () => flush(""),
    };
  },
};
