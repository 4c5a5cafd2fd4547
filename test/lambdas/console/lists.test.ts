// Cursors of the lists with plain values: what no page of ours ends at never reaches a table.
import { describe, expect, it } from "vitest";
import { listAudit, listJobs } from "../../../lambdas/console/lists.ts";
import { writeCursor } from "../../../lambdas/shared/cursor.ts";

const refused = { name: "InputInvalid", details: { fields: [{ field: "query.cursor", problem: expect.any(String) }] } };
const notAsked = async (): Promise<never> => {
  throw new Error("the table was asked");
};

describe("a cursor that somebody made up, checksum and all", () => {
  it("is the caller's mistake where its keys are empty: DynamoDB would refuse them as a fault of ours", async () => {
    const jobs = writeCursor(["jobs", null, null], { jobId: "", startedAt: "" });
    await expect(listJobs({ limit: 5, cursor: jobs }, notAsked)).rejects.toMatchObject(refused);
    const audit = writeCursor(["audit", "2026-11", null, null, null, null], { item: "" });
    const query = { limit: 5, month: "2026-11", cursor: audit };
    await expect(listAudit(query, new Date(), notAsked)).rejects.toMatchObject(refused);
  });
});
