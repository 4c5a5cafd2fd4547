// What an operator may give to an execution: little, checked by name, and nothing that is misspelt goes unnoticed.
import { describe, expect, it } from "vitest";
import { runRequestSchema } from "../../../lambdas/replication/run-request.ts";

describe("a run's request", () => {
  it.each([
    {},
    { instanceIds: ["rm-1"], backupIds: ["77"], force: true },
    { window: { start: "2026-11-01T00:00:00Z", end: "2026-11-02T08:00:00.5+08:00" } },
    { types: ["FullBackup", "IncrementalBackup"], methods: ["Physical", "Logical", "Snapshot"] },
    { instanceIds: [] },
  ])("may be %j", (request) => {
    expect(runRequestSchema.parse(request)).toEqual(request);
  });

  it.each<[string, unknown]>([
    ["instances", { instances: ["rm-1"] }],
    ["instanceIds", { instanceIds: "rm-1" }],
    ["instanceIds.0", { instanceIds: [""] }],
    ["backupIds.0", { backupIds: [77] }],
    ["backupIds", { backupIds: Array.from({ length: 1001 }, () => "1") }],
    ["window.end", { window: { start: "2026-11-01T00:00:00Z" } }],
    ["window.start", { window: { start: "2026-11-01", end: "2026-11-02T00:00:00Z" } }],
    ["types.0", { types: ["Full"] }],
    ["methods.0", { methods: ["physical"] }],
    ["force", { force: "yes" }],
  ])("is refused for %s, which the answer names", (field, request) => {
    const { error } = runRequestSchema.safeParse(request);
    const named = error?.issues.flatMap((issue) => ("keys" in issue ? issue.keys : [issue.path.join(".")]));
    expect(named).toEqual([field]);
  });
});
