// The key of a copy in S3, whatever the names are made of; and the name of a scheduled run.
// The key of a copy and the name of a scheduled run, for any file name and time.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { objectKeyOf } from "../../../lambdas/replication/backup.ts";
import { runNameOf } from "../../../lambdas/replication/run-name.ts";

const backup = {
  engine: "mysql",
  instanceId: "rm-1",
  backupId: "77",
  fileName: "hins1_data_20261119.xb",
  startedAt: "2026-11-19T18:02:00.000Z",
};

describe("the key of a copy", () => {
  it("is engine, instance, day, backup and file name", () => {
    expect(objectKeyOf("prod/", backup)).toBe("prod/mysql/rm-1/2026/11/19/77/hins1_data_20261119.xb");
  });

  it("keeps letters of any script, spaces and quotes, and lets no name climb out of its folder", () => {
    expect(objectKeyOf("", { ...backup, fileName: `备份 a+b%20"'.sql.gz` })).toMatch(/\/备份 a\+b%20"'\.sql\.gz$/);
    expect(objectKeyOf("", { ...backup, fileName: ".." })).toMatch(/\/77\/_$/);
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 60 }), (fileName) => {
        expect(objectKeyOf("", { ...backup, fileName }).split("/")).toHaveLength(7);
      }),
    );
  });

  it("is refused by name when S3 would not take it", () => {
    expect(() => objectKeyOf("", { ...backup, fileName: "长".repeat(400) })).toThrowError(
      expect.objectContaining({ name: "InputInvalid" }),
    );
  });
});

describe("the name of a scheduled run", () => {
  it("is the scheduled time without colons, in UTC, the same for the same moment", () => {
    expect(runNameOf("2026-11-20T03:15:00Z", "scheduled")).toBe("scheduled-20261120T031500Z");
    expect(runNameOf("2026-11-20T11:15:00+08:00", "exports")).toBe("exports-20261120T031500Z");
  });
});
