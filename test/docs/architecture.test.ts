// The walk through the design document's two pictures: a row for every arrow, with a file that does it and a test of it.
import { describe, expect, it } from "vitest";
import { documentAt, namedPathsIn, tableOf } from "./documents.ts";

const architecture = documentAt("docs/architecture.md");

function picture(beginning: string): string {
  const found = architecture.codeBlocks.find(
    ({ language, text }) => language === "mermaid" && text.startsWith(beginning),
  );
  if (found === undefined) throw new Error(`there is no picture that begins with ${beginning}`);
  return found.text;
}

/** `Browser -->|HTTP| GinEngine` as `Browser → GinEngine`. */
function arrowsOfGraph(text: string): string[] {
  return [...text.matchAll(/^ *(\w+) -->\|[^|]+\| (\w+)$/gm)].map(([, from, to]) => `${from} → ${to}`);
}

/** `C->>A: Request Backup` as `C → A: Request Backup`. */
function arrowsOfSequence(text: string): string[] {
  return [...text.matchAll(/^ *(\w+)-{1,2}>>(\w+): (.+)$/gm)].map(([, from, to, said]) => `${from} → ${to}: ${said}`);
}

const walks = [
  { heading: "Arrow", arrows: arrowsOfGraph(picture("graph TD")), count: 23 },
  {
    heading: "Step",
    arrows: arrowsOfSequence(picture("sequenceDiagram\n    participant C as Client")),
    count: 8,
  },
];

describe.each(walks)("the walk by $heading", ({ heading, arrows, count }) => {
  const rows = heading === "Step" ? stepRows() : tableOf(architecture, heading);

  it("has a row for every arrow of its picture, in its order", () => {
    expect(arrows).toHaveLength(count);
    expect(rows.map(([arrow]) => arrow)).toEqual(arrows);
  });

  it("names for each arrow a file that does it and a test that proves it", () => {
    for (const [arrow, , does = "", proves = ""] of rows) {
      expect(
        namedPathsIn(does).filter((path) => /^(lambdas|lib|state-machines)\//.test(path)),
        arrow,
      ).not.toEqual([]);
      expect(
        namedPathsIn(proves).filter((path) => /^test\/.+\.test\.ts$/.test(path)),
        arrow,
      ).not.toEqual([]);
    }
  });
});

/** Tables of steps come before, too: that of the walk is the one of four columns with arrows. */
function stepRows(): string[][] {
  const lines = architecture.prose.split("\n").filter((line) => /^\| \w+ → \w+: /.test(line));
  return lines.map((line) =>
    line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}
