// Text in terminal cells: wide letters, cutting, wrapping, columns.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cellsOf, clip, plain, setInColumns, shortenMiddle, wrap } from "../../cli/terminal-text.ts";

/** Names as they come: Latin, Chinese, an emoji, a combining mark. */
const text = fc.string({
  unit: fc.constantFrom("a", "B", "7", "_", " ", "备", "份", "（", "🗄", "e\u0301"),
  maxLength: 60,
});

describe("cells", () => {
  it("are two for a Chinese letter, a full-width bracket or an emoji, and none for a combining mark", () => {
    expect(cellsOf("abc")).toBe(3);
    expect(cellsOf("备份（主）")).toBe(10);
    expect(cellsOf("🚚")).toBe(2);
    expect(cellsOf("e\u0301")).toBe(1);
  });
});

describe("a text that is too long", () => {
  it("loses its end, or its middle where the end tells most", () => {
    expect(clip("hins58123442_data.xb", 8)).toBe("hins581…");
    expect(shortenMiddle("hins58123442_data_20261120.sql.gz", 16)).toMatch(/^hins58\w?…\w*\.sql\.gz$/);
    expect(shortenMiddle("short.xb", 16)).toBe("short.xb");
  });

  it("never fills more than its cells, whatever letters it has", () => {
    fc.assert(
      fc.property(text, fc.integer({ min: 1, max: 40 }), (given, cells) => {
        expect(cellsOf(clip(given, cells))).toBeLessThanOrEqual(cells);
        expect(cellsOf(shortenMiddle(given, cells))).toBeLessThanOrEqual(cells);
      }),
    );
  });

  it("is wrapped at spaces, without losing a letter", () => {
    expect(wrap("Aliyun's checksum = bytes sent", 12)).toEqual(["Aliyun's", "checksum =", "bytes sent"]);
    fc.assert(
      fc.property(text, fc.integer({ min: 2, max: 40 }), (given, cells) => {
        const lines = wrap(given, cells);
        for (const line of lines) expect(cellsOf(line)).toBeLessThanOrEqual(cells);
        expect(lines.join("").replaceAll(" ", "")).toBe(given.replaceAll(" ", ""));
      }),
    );
  });
});

describe("columns", () => {
  const rows = [
    [
      "✓",
      "rm-bp1 订单库 全量备份（生产环境）主库.sql.gz",
      "2.86 MiB",
      "Aliyun's checksum = bytes sent = S3's checksum",
    ],
    ["–", "rm-bp1 hins58123442_data_20261118180000.xb", "", "empty: the file is left over from a failed task"],
  ];
  const layout = [{}, { tooLong: "middle" }, { align: "right" }, { tooLong: "wrap" }] as const;

  it("stand under each other, with Chinese names as with others", () => {
    const lines = setInColumns(layout, rows, Number.POSITIVE_INFINITY);
    expect(lines).toHaveLength(2);
    const columnAt = lines.map((line) => cellsOf(line.slice(0, line.search(/Aliyun's|empty:/))));
    expect(columnAt[0]).toBe(columnAt[1]);
  });

  it.each([60, 79, 99, 119])("fit into %i cells: names lose their middle, reasons go on under themselves", (cells) => {
    const lines = setInColumns(layout, rows, cells);
    for (const line of lines) expect(cellsOf(line)).toBeLessThanOrEqual(cells);
    expect(lines.join(" ").replaceAll(/\s+/g, " ")).toContain("Aliyun's checksum");
    const start = cellsOf((lines[0] ?? "").split("Aliyun's")[0] ?? "");
    for (const line of lines.filter((line) => !/^[✓–]/.test(line))) expect(line.slice(0, start).trim()).toBe("");
  });
});

it("an escape sequence in a file name does not reach the terminal", () => {
  expect(plain("a\u001b[2Jb\nc")).toBe("a·[2Jb·c");
});
