// Recording a receipt: whatever step was the last one to succeed, a repeat ends in the same receipt and the same result.
import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import type { CompletedUpload, Copy } from "../../../lambdas/replication/copy.ts";
import { signedReceiptSchema } from "../../../lambdas/replication/receipt.ts";
import { type RecordReceiptPorts, recordReceipt } from "../../../lambdas/replication/record-receipt.ts";
import { CausewayError } from "../../../lambdas/shared/errors.ts";
import { copyId, copyOf, crc64Of, key, mark, me, nvmeOf, planFor, runId, someBytes, somebody } from "./copy-facts.ts";

const content = someBytes(10_000);
const plan = planFor(content, 4000, { inventoryCrc64: crc64Of(content) });
const completed: CompletedUpload = {
  uploadMark: mark,
  crc64: crc64Of(content),
  checksum: nvmeOf(content),
  proof: "source-checksum",
  versionId: "v1",
  etag: '"e-3"',
  completedAt: "2026-11-20T12:00:02.000Z",
};

type Step = "sign" | "write" | "finish";

/** A table, a bucket and a key in memory; `dies` names a step that fails once, before or after its work. */
function stage(copy: Copy = copyOf({ plan, completed })) {
  const here = {
    copy: copy as Copy | undefined,
    receipts: new Map<string, string>(),
    signatures: 0,
    dies: undefined as { step: Step; afterWork: boolean } | undefined,
  };
  function doing<Result>(step: Step, work: () => Result): Result {
    const dies = here.dies?.step === step ? here.dies : undefined;
    if (dies) here.dies = undefined;
    if (dies && !dies.afterWork) throw new CausewayError("AwsUnavailable", `${step} failed`);
    const result = work();
    if (dies) throw new CausewayError("AwsUnavailable", `${step}'s answer was lost`);
    return result;
  }
  const ports: RecordReceiptPorts = {
    read: async () => here.copy,
    sign: async (digest) =>
      doing("sign", () => {
        here.signatures += 1;
        // ECDSA: every signature of the same digest is another one.
        return { keyId: "key-1", value: `${digest.toString("base64")}#${here.signatures}` };
      }),
    writeOnce: async (receiptKey, body) =>
      doing("write", () => {
        const kept = here.receipts.get(receiptKey) ?? body;
        here.receipts.set(receiptKey, kept);
        return kept;
      }),
    finish: async (_id, executionArn, state, result) =>
      doing("finish", () => {
        if (here.copy?.claim?.executionArn !== executionArn) throw new CausewayError("ClaimLost", "another holds it");
        const { claim: _claim, plan: _plan, link: _link, completed: _completed, ...rest } = here.copy;
        here.copy = { ...rest, state, result };
      }),
  };
  const record = (executionArn = me) => recordReceipt({ runId, copyId, executionArn }, ports);
  return { here, record };
}

describe("a receipt", () => {
  it("is written once, with a signature over its digest, and the copy is done", async () => {
    const { here, record } = stage();
    const result = await record();
    const receiptKey = `receipts/${key}/${mark}/copy.json`;
    const text = here.receipts.get(receiptKey) ?? "";
    expect(signedReceiptSchema.parse(JSON.parse(text)).receipt).toMatchObject({ copyId, executionArn: me });
    expect(result).toMatchObject({
      key,
      receiptKey,
      receiptSha256: createHash("sha256").update(text).digest("hex"),
      proof: "source-checksum",
      executionArn: me,
      runId,
    });
    expect(here.copy).toMatchObject({ state: "verified", result });
    expect(here.copy?.claim).toBeUndefined();
  });

  it("of a source without a checksum leaves the copy unverified", async () => {
    const { here, record } = stage(copyOf({ plan, completed: { ...completed, proof: "length-and-etag" } }));
    expect(await record()).toMatchObject({ proof: "length-and-etag" });
    expect(here.copy?.state).toBe("copied-unverified");
  });

  it.each<[Step, boolean]>([
    ["sign", false],
    ["sign", true],
    ["write", false],
    ["write", true],
    ["finish", false],
    ["finish", true],
  ])("is the same after dying at %s (after its work: %s), and again after that", async (step, afterWork) => {
    const { here, record } = stage();
    here.dies = { step, afterWork };
    await expect(record()).rejects.toMatchObject({ name: "AwsUnavailable" });
    const result = await record();
    expect(await record()).toEqual(result);
    expect(here.receipts.size).toBe(1);
    const [text] = here.receipts.values();
    expect(result.receiptSha256).toBe(
      createHash("sha256")
        .update(text ?? "")
        .digest("hex"),
    );
    expect(here.copy?.state).toBe("verified");
  });

  it("is done when the write that finished it was sent twice, and its second time lost the claim", async () => {
    const { here, record } = stage();
    const first = await record();
    here.copy = copyOf({ plan, completed, result: first });
    const { claim: _, ...finished } = here.copy;
    let reads = 0;
    const ports: RecordReceiptPorts = {
      // As it was before the finish, then as it is after it.
      read: async () => {
        reads += 1;
        return reads === 1 ? copyOf({ plan, completed }) : finished;
      },
      sign: async () => ({ keyId: "key-1", value: "v" }),
      writeOnce: async (receiptKey) => here.receipts.get(receiptKey) ?? "",
      finish: async () => {
        throw new CausewayError("ClaimLost", "its own work");
      },
    };
    expect(await recordReceipt({ runId, copyId, executionArn: me }, ports)).toEqual(first);
  });

  it("that an earlier execution wrote of the same facts is kept as it is", async () => {
    const { here, record } = stage(copyOf({ plan, completed, claim: { executionArn: somebody, expiresAt: "" } }));
    here.dies = { step: "finish", afterWork: false };
    await expect(record(somebody)).rejects.toMatchObject({ name: "AwsUnavailable" });
    const before = [...here.receipts.values()];
    here.copy = copyOf({ plan, completed });
    await record(me);
    expect([...here.receipts.values()]).toEqual(before);
    expect(here.copy?.result?.executionArn).toBe(me);
  });

  it("of other facts is never replaced: that is a conflict", async () => {
    const { here, record } = stage();
    here.dies = { step: "finish", afterWork: false };
    await expect(record()).rejects.toMatchObject({ name: "AwsUnavailable" });
    const before = [...here.receipts.values()];
    here.copy = copyOf({ plan, completed: { ...completed, etag: '"another"' } });
    await expect(record()).rejects.toMatchObject({ name: "ReceiptConflict", retryable: false });
    expect([...here.receipts.values()]).toEqual(before);
    expect(here.copy?.state).toBe("copying");
  });

  it.each<[string, Copy | undefined]>([
    ["there is no copy", undefined],
    ["nothing was completed", copyOf({ plan })],
    ["there is no plan", copyOf({ completed })],
    ["another upload was completed", copyOf({ plan, completed: { ...completed, uploadMark: "other" } })],
  ])("is refused where %s", async (_, copy) => {
    const { here, record } = stage();
    here.copy = copy;
    await expect(record()).rejects.toMatchObject({ name: "ReceiptConflict" });
    expect(here.receipts.size).toBe(0);
  });

  it("does not finish a copy that another execution holds now", async () => {
    const { here, record } = stage(copyOf({ plan, completed, claim: { executionArn: somebody, expiresAt: "" } }));
    await expect(record(me)).rejects.toMatchObject({ name: "ClaimLost" });
    expect(here.copy?.state).toBe("copying");
  });
});
