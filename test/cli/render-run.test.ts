// A run as text, from plain values: live lines, the one line, the table at its end.
import { describe, expect, it } from "vitest";
import { steadyRate } from "../../cli/follow-run.ts";
import {
  carriedSentence,
  humanBytes,
  humanSeconds,
  liveLines,
  resultTable,
  summaryLine,
} from "../../cli/render-run.ts";
import { cellsOf } from "../../cli/terminal-text.ts";
import type { Job, JobUnit, JobView, WorkerProgress } from "../../lambdas/shared/jobs.ts";
import { viewJob } from "../../lambdas/shared/jobs.ts";

const startedAt = "2026-11-20T08:00:00.000Z";
const now = Date.parse(startedAt) + 4_000;
const mebibyte = 1024 ** 2;

const job: Job = {
  jobId: "run-1",
  kind: "replication-run",
  state: "running",
  phase: "copying",
  startedAt,
  heartbeatAt: startedAt,
};

const units: JobUnit[] = [
  unit("a", {
    title: "rm-bp1samplemysql80 hins58123442_data_20261120100000.xb",
    bytesTotal: 300 * mebibyte,
    partsTotal: 38,
    phase: "copying",
  }),
  unit("b", {
    title: "rm-bp1yourfiles 订单库 全量备份（生产环境）主库.sql.gz",
    bytesTotal: 3 * mebibyte,
    phase: "waiting",
  }),
  unit("c", {
    title: "rm-bp1samplemariadb hins20480123_data.sql",
    bytesTotal: 1,
    partsTotal: 1,
    phase: "verified",
    ...settled("verified"),
    proof: "source-checksum",
  }),
  unit("d", {
    title: "rm-bp1samplemysql80 49866105",
    phase: "refused",
    ...settled("refused"),
    reason: "failed: the vendor reports status Failed",
  }),
  unit("e", {
    title: "rm-bp1samplemysql80 old.xb",
    phase: "already-copied",
    ...settled("already-copied"),
    reason: "already copied and verified",
  }),
];

function unit(unitId: string, facts: Partial<JobUnit>): JobUnit {
  return { unitId, title: unitId, phase: "waiting", bytesTotal: 0, startedAt, ...facts };
}

function settled(outcome: string) {
  return { outcome, finishedAt: startedAt };
}

const half: WorkerProgress[] = [
  { unitId: "a", worker: "1", bytesDone: 150 * mebibyte, partsDone: 19, at: startedAt, bytesPerSecond: 50 * mebibyte },
];

const view = viewJob(job, units, half, now);

describe("live lines", () => {
  it.each([
    [60, 24],
    [79, 24],
    [99, 24],
    [119, 40],
    [199, 40],
  ])("fit a terminal of %i columns and %i rows", (columns, rows) => {
    const lines = liveLines(view, { columns, rows });
    expect(lines.length).toBeLessThanOrEqual(rows);
    for (const line of lines) expect(cellsOf(line)).toBeLessThanOrEqual(columns);
  });

  it("say bytes, rate, time left and parts of what is to be copied", () => {
    const text = liveLines(view, { columns: 79, rows: 24 }).join("\n");
    expect(text).toContain("19/38 parts");
    expect(text).toContain("150.0 MiB of 303.0 MiB");
    expect(text).toContain("50.0 MiB/s");
    expect(text).toContain("00:04 left");
    expect(text).toContain("1 of 3 backups settled, 1 already-copied, 1 refused");
    expect(text).not.toContain("49866105");
  });

  it("stand still while numbers grow, and keep Chinese names in their column", () => {
    const edge = (line = "") => cellsOf(line.slice(0, line.search(/copying|waiting|verified/)));
    const [first, second, third] = liveLines(view, { columns: 79, rows: 24 });
    expect(edge(first)).toBe(edge(second));
    expect(edge(first)).toBe(edge(third));
    const [later] = liveLines(viewJob(job, units, [], now), { columns: 79, rows: 24 });
    expect(edge(later)).toBe(edge(first));
  });

  it("show those under way when there is no room for all", () => {
    const many = Array.from({ length: 50 }, (_, at) =>
      unit(
        `u${at}`,
        at < 45
          ? { ...settled("verified"), phase: "verified" }
          : { phase: "copying", bytesTotal: 8, title: `open ${at}` },
      ),
    );
    const lines = liveLines(viewJob(job, many, [], now), { columns: 79, rows: 12 });
    expect(lines.length).toBeLessThanOrEqual(12);
    for (let at = 45; at < 50; at += 1) expect(lines.join("\n")).toContain(`open ${at} `);
    expect(lines.join("\n")).toMatch(/… and \d+ more/);
  });

  it("say that there is nothing to copy, and that the list is still being made", () => {
    const only = units.filter(({ outcome }) => outcome === "refused" || outcome === "already-copied");
    expect(liveLines(viewJob(job, only, [], now), { columns: 79, rows: 24 })).toEqual([
      "  nothing to copy, 1 already-copied, 1 refused",
    ]);
    expect(summaryLine(viewJob(job, [], [], now))).toBe("listing the backups");
  });
});

describe("the one line", () => {
  it("holds everything and names what is copied now", () => {
    expect(summaryLine(view)).toBe(
      " 49%  150.0 MiB of 303.0 MiB  50.0 MiB/s  00:04 left  20 of 39 parts  " +
        "1 of 3 backups settled, 1 already-copied, 1 refused  copying: rm-bp1samplemysql80 hins58123442_data_20261120100000.xb",
    );
  });

  it("shows no rate and no time left where none is known", () => {
    expect(summaryLine(viewJob(job, units, [], now))).not.toMatch(/\/s|left/);
  });
});

describe("the rate", () => {
  it("stands for a moment when it falls to zero between two batches, and not for longer", () => {
    const steady = steadyRate();
    const quiet = viewJob(
      job,
      units,
      half.map((item) => ({ ...item, bytesPerSecond: 0 })),
      now,
    );
    steady(view, 0);
    expect(steady(quiet, 1_000)).toMatchObject({ bytesPerSecond: 50 * mebibyte, secondsLeft: 4 });
    expect(steady(quiet, 10_000)).toMatchObject({ bytesPerSecond: 0, secondsLeft: undefined });
  });
});

describe("the table", () => {
  const done: JobView = viewJob(
    { ...job, state: "failed", finishedAt: "2026-11-20T08:00:06.000Z" },
    [
      ...units.filter((unit) => unit.finishedAt !== undefined),
      unit("f", {
        title: "rm-bp1 torn.xb",
        bytesTotal: 9,
        ...settled("failed"),
        reason: "SourceChanged: the file is another one now",
      }),
      unit("g", {
        title: "rm-bp1 plain.xb",
        bytesTotal: 6 * mebibyte,
        ...settled("copied-unverified"),
        proof: "length-and-etag",
      }),
    ],
    [],
    now,
  );

  it("gives every backup its proof or its reason", () => {
    const table = resultTable(done, Number.POSITIVE_INFINITY);
    expect(table).toHaveLength(1 + 5);
    const line = (text: string) => table.find((each) => each.includes(text));
    expect(line("hins20480123_data.sql")).toMatch(
      /^✓ .*1 B {2}verified .*Aliyun's checksum = bytes sent = S3's checksum$/,
    );
    expect(line("49866105")).toMatch(/^– .*refused .*failed: the vendor reports status Failed$/);
    expect(line("old.xb")).toMatch(/^= .*already-copied/);
    expect(line("torn.xb")).toMatch(/^✗ .*failed .*SourceChanged/);
    expect(line("plain.xb")).toMatch(/^! .*copied-unverified .*length and ETag only/);
  });

  it.each([79, 99, 119])("fits %i columns without losing a word of a reason", (columns) => {
    const table = resultTable(done, columns);
    for (const line of table) expect(cellsOf(line)).toBeLessThanOrEqual(columns);
    for (const word of ["SourceChanged:", "another", "status", "length", "ETag"]) {
      expect(table.join("\n")).toContain(word);
    }
  });

  it("is followed by what was carried in what time: failed, refused and earlier copies do not count", () => {
    expect(carriedSentence(done)).toBe("6.00 MiB in 6.0 s from the listing to the last receipt, 1.00 MiB/s.");
    expect(carriedSentence({ ...done, units: [] })).toBeUndefined();
  });
});

describe("numbers", () => {
  it("are told in units that a person reads", () => {
    expect([0, 1023, 1024, 1024 ** 2 - 1, 300 * mebibyte, 5 * 1024 ** 4].map(humanBytes)).toEqual([
      "0 B",
      "1023 B",
      "1.00 KiB",
      "1.00 MiB",
      "300.0 MiB",
      "5.00 TiB",
    ]);
    expect([undefined, 0, 61, 3600 + 62].map(humanSeconds)).toEqual(["--:--", "00:00", "01:01", "1:01:02"]);
  });
});
