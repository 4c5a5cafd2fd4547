// Changes over the HTTP API: on what was seen, done once, and written down.
import { describe, expect, it, vi } from "vitest";
import { CausewayError } from "../../../lambdas/shared/errors.ts";
import type { HttpCall } from "./http-call.ts";
import { auditOf, call, setUpThings, stage, work, workIds } from "./things-stage.ts";

setUpThings();

describe("entity tags", () => {
  const put = { method: "PUT", path: "/api/things/7", role: "admin", body: { text: "new" } } as const;

  it("of what was answered spare the same answer", async () => {
    const first = await call({ path: "/api/things/7", role: "viewer" });
    const tag = first.headers.etag ?? "";
    const again = await call({ path: "/api/things/7", role: "viewer", headers: { "If-None-Match": `"x", W/${tag}` } });
    expect([again.status, again.text, again.headers.etag]).toEqual([304, "", tag]);
    const other = await call({ path: "/api/things/8", role: "viewer", headers: { "If-None-Match": tag } });
    expect(other.status).toBe(200);
    expect((await call({ path: "/api/things/versioned", role: "viewer" })).headers.etag).toBe('"7"');
  });

  it.each([
    [undefined, 428, "PreconditionMissing"],
    ['"6"', 412, "PreconditionFailed"],
    ['W/"7"', 412, "PreconditionFailed"],
    ["7", 400, "InputInvalid"],
  ])("a change with If-Match %s is %i", async (tag, status, name) => {
    const answer = await call({ ...put, ...(tag && { headers: { "If-Match": tag } }) });
    expect([answer.status, answer.envelope.data.name]).toEqual([status, name]);
  });

  it.each(['"7"', '"1", "7"', "*"])("a change with If-Match %s is made, and answers the new tag", async (tag) => {
    const answer = await call({ ...put, headers: { "If-Match": tag } });
    expect([answer.status, answer.headers.etag]).toEqual([200, '"8"']);
  });
});

describe("the same request again", () => {
  const post = (key: string, text = "x", more: Partial<HttpCall> = {}) =>
    call({
      method: "POST",
      path: "/api/things",
      role: "operator",
      body: { text },
      headers: { "Idempotency-Key": key },
      ...more,
    });

  it("is answered with the first answer, and does nothing", async () => {
    const first = await post("key-1");
    const again = await post("key-1");
    expect(work).toHaveBeenCalledTimes(1);
    expect([again.status, again.envelope]).toEqual([202, first.envelope]);
    expect(again.headers.location).toBe(first.headers.location);
    expect([first.headers["idempotency-replayed"], again.headers["idempotency-replayed"]]).toEqual([undefined, "true"]);
    expect(again.headers["x-request-id"]).not.toBe(first.headers["x-request-id"]);
  });

  it("is another's request when another sends it, or when it is sent without a key", async () => {
    await post("key-2");
    expect((await post("key-2", "x", { subject: "somebody else" })).headers).not.toHaveProperty("idempotency-replayed");
    await call({ method: "POST", path: "/api/things", role: "operator", body: { text: "x" } });
    expect(work).toHaveBeenCalledTimes(3);
    expect(new Set(workIds).size).toBe(3);
  });

  it("with another body is a 422", async () => {
    await post("key-3");
    const answer = await post("key-3", "y");
    expect([answer.status, answer.envelope.data.name]).toEqual([422, "IdempotencyKeyReused"]);
    expect(work).toHaveBeenCalledTimes(1);
  });

  it("while the first is worked on is a 409 that says when to come again; of many at once, one works", async () => {
    let finish = (_text: string) => {};
    work.mockImplementation(() => new Promise((resolve) => (finish = resolve)));
    const calls = Array.from({ length: 8 }, () => post("key-4"));
    // All but the one that works; who came after the end would be answered with the first answer.
    const answered: Awaited<(typeof calls)[number]>[] = [];
    for (const one of calls) void one.then((answer) => answered.push(answer));
    await vi.waitFor(() => expect(answered).toHaveLength(7), 10_000);
    for (const waiting of answered) {
      expect([waiting.status, waiting.envelope.data.name]).toEqual([409, "StillWorking"]);
      expect(waiting.headers["retry-after"]).toBe("5");
    }
    finish("done");
    const statuses = (await Promise.all(calls)).map(({ status }) => status).sort();
    expect(statuses).toEqual([202, ...Array(7).fill(409)]);
    expect((await post("key-4")).headers["idempotency-replayed"]).toBe("true");
    expect(work).toHaveBeenCalledTimes(1);
  });

  it("after a failure is tried again at once, as the same work", async () => {
    work.mockRejectedValueOnce(new CausewayError("AwsUnavailable", "not now"));
    expect((await post("key-5")).status).toBe(503);
    expect((await post("key-5")).status).toBe(202);
    expect(workIds).toEqual([workIds[0], workIds[0]]);
  });

  it("after a crash in the middle is worked on anew when the lease is over, as the same work", async () => {
    work.mockImplementationOnce(() => new Promise(() => {}));
    void post("key-6");
    await vi.waitFor(() => expect(work).toHaveBeenCalled());
    expect((await post("key-6")).status).toBe(409);
    const now = Date.now();
    vi.spyOn(Date, "now").mockImplementation(() => now + 61_000);
    const healed = await post("key-6");
    expect(healed.status).toBe(202);
    expect(workIds).toEqual([workIds[0], workIds[0]]);
  });

  it("is forgotten after a day", async () => {
    await post("key-7");
    const now = Date.now();
    vi.spyOn(Date, "now").mockImplementation(() => now + 25 * 3_600_000);
    expect((await post("key-7", "y")).status).toBe(202);
    expect(new Set(workIds).size).toBe(2);
  });

  it.each(["", " ", "a b", "x".repeat(256), "ключ"])("with the key %j is a 400", async (key) => {
    expect((await post(key)).status).toBe(400);
    expect(work).not.toHaveBeenCalled();
  });
});

describe("the audit", () => {
  const post = { method: "POST", path: "/api/things", role: "operator", body: { text: "x", count: 3 } } as const;

  it("says who did what, from where, and how it ended, and not what was sent", async () => {
    await call({ ...post, requestId: "a-1", body: { text: "hush", count: 3 } });
    const entries = await auditOf("a-1");
    expect(entries).toMatchObject([
      {
        subject: "sub-operator",
        name: "the operator",
        action: "made a thing",
        operation: "makeThing",
        target: "/api/things",
        outcome: "done",
        sourceIp: "203.0.113.7",
        details: { count: 3 },
      },
    ]);
    expect(JSON.stringify(entries)).not.toContain("hush");
  });

  it("holds the intent before anything is done", async () => {
    let during: unknown[] = [];
    work.mockImplementation(async () => {
      during = await auditOf("a-2");
      return "done";
    });
    await call({ ...post, requestId: "a-2" });
    expect(during).toMatchObject([{ outcome: "started" }]);
  });

  it("names the error of what failed, and who was refused", async () => {
    work.mockRejectedValueOnce(new CausewayError("Conflict", "not so"));
    await call({ ...post, requestId: "a-3" });
    await call({ ...post, role: "viewer", requestId: "a-4" });
    expect(await auditOf("a-3")).toMatchObject([{ outcome: "Conflict" }]);
    expect(await auditOf("a-4")).toMatchObject([{ outcome: "Forbidden", subject: "sub-viewer" }]);
  });

  it("is in the change's own transaction where the route says so", async () => {
    const put = { method: "PUT", path: "/api/things/7", role: "admin", body: { text: "new" } } as const;
    await call({ ...put, headers: { "If-Match": '"7"' }, requestId: "a-5" });
    expect(await auditOf("a-5")).toMatchObject([{ outcome: "done", details: { before: "t" } }]);
    await call({ ...put, headers: { "If-Match": '"1"' }, requestId: "a-6" });
    expect(await auditOf("a-6")).toMatchObject([{ outcome: "PreconditionFailed" }]);
  });

  it("has nothing of what was wrong before it began, nor of what was only looked at or repeated", async () => {
    await call({ ...post, body: {}, requestId: "a-7" });
    await call({ path: "/api/things", role: "viewer", requestId: "a-8" });
    const key = { "Idempotency-Key": "audited" };
    await call({ ...post, headers: key, requestId: "a-9" });
    await call({ ...post, headers: key, requestId: "a-10" });
    expect([await auditOf("a-7"), await auditOf("a-8"), await auditOf("a-10")]).toEqual([[], [], []]);
  });

  it("must be had: without it nothing is done", async () => {
    stage.tables.faults.add({
      service: "dynamodb",
      operation: "PutItem",
      resourceIncludes: "Audit",
      times: 100,
      effect: { kind: "error", status: 500, code: "InternalServerError" },
    });
    const answer = await call({ ...post, requestId: "a-11" });
    stage.tables.faults.clear();
    expect([answer.status, answer.envelope.data.name]).toEqual([503, "AwsUnavailable"]);
    expect(work).not.toHaveBeenCalled();
    // The message tells the caller to look for this id in the log: AWS's own must not stand in its place.
    expect(answer.envelope.message).toContain("a-11");
    const failures = stage.output.lines().filter(({ error }) => error === "AwsUnavailable");
    expect(failures.at(-1)).toMatchObject({ requestId: "a-11", awsRequestId: expect.any(String) });
  });
});
