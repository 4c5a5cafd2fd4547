// The walk through the boxes of the relay's two design documents: a row for each, with a file, AWS's own part, or why not.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { documentAt, namedPathsIn, root, tablesOf } from "./documents.ts";

/** By picture or list of the design documents, in their order: the boxes as they are labelled there. */
const boxes = JSON.parse(readFileSync(join(root, "test/docs/relay-boxes.json"), "utf8")) as Record<
  string,
  readonly string[]
>;

const architecture = documentAt("docs/architecture.md");
const [, walk = ""] = architecture.prose.split("## The relay's pictures, box by box\n");
const headings = [...walk.matchAll(/^### (.+)$/gm)].map(([, heading]) => heading);
const tables = tablesOf({ ...architecture, prose: walk }, "Box");

/** What stands in the place of a file, and says who or why. */
const without = /^(AWS: \w|Not yet: \w|Not needed: \w)/;

it("has a table for every picture and list, in their order", () => {
  expect(headings).toEqual(Object.keys(boxes));
  expect(tables).toHaveLength(headings.length);
});

describe.each(Object.entries(boxes).map(([title, labels], index) => ({ title, labels, rows: tables[index] ?? [] })))(
  "$title",
  ({ labels, rows }) => {
    it("has a row for every box", () => {
      expect(rows.map(([box]) => box)).toEqual(labels);
    });

    it("says of each who does it: a file, AWS, or why not", () => {
      const nameless = rows.filter(([, , by = ""]) => namedPathsIn(by).length === 0 && !without.test(by));
      expect(nameless).toEqual([]);
    });
  },
);

it("leaves out only what is named so, and nothing quietly", () => {
  const left = tables.flat().filter(([, , by = ""]) => by.startsWith("Not yet"));
  expect(left.length).toBeGreaterThan(0);
  for (const [box, , by = ""] of left) expect(by, box).toMatch(/a later issue/);
});
