// The mirror in trouble: events twice, late and out of order, versions that race, an OSS that fails, keys that expire, dead letters.
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { redriveMirror } from "../../cli/redrive-mirror.ts";
import { MirrorRig, someBytes } from "./mirror-rig.ts";

let rig: MirrorRig;
let keys = 0;
let key = "";

beforeAll(async () => {
  rig = await MirrorRig.start();
  return () => rig.close();
});

beforeEach(() => {
  keys += 1;
  key = `mysql/trouble/${keys}.xb`;
});

afterEach(() => rig.faults.clear());

const put = (of = key) =>
  rig.cloud.oss.requests.filter((call) => call.operation === "PutObject" && call.key.endsWith(of));

describe("events", () => {
  it("that come five times send the object once", async () => {
    rig.faults.add({ service: "eventbridge", effect: { kind: "duplicate-event", deliveries: 5 } });
    const version = await rig.put(key, "once");
    await rig.mirrored(key, version);
    await rig.cloud.eventSources.settled();
    expect(put()).toHaveLength(1);
  });

  it("that call two Lambdas at the same time send the object once", async () => {
    rig.faults.add({
      service: "sqs-delivery",
      resourceIncludes: key,
      effect: { kind: "duplicate-event", deliveries: 3 },
    });
    const version = await rig.put(key, "once");
    await rig.mirrored(key, version);
    await rig.cloud.eventSources.settled();
    expect(put()).toHaveLength(1);
  });

  it("that come in another order leave the newest version in OSS", async () => {
    rig.faults.add({ service: "eventbridge", times: 3, effect: { kind: "reorder-event" } });
    let version = "";
    for (const content of ["one", "two", "three", "four"]) version = await rig.put(key, content);
    await rig.mirrored(key, version);
    await rig.cloud.eventSources.settled();
    await rig.expectInOss(key, Buffer.from("four"));
  });

  it("that come hours late, or never, change nothing of what is newer", async () => {
    const old = await rig.put(key, "old");
    await rig.mirrored(key, old);
    const version = await rig.put(key, "new");
    await rig.mirrored(key, version);
    await rig.send({ sourceKey: key });
    await rig.cloud.eventSources.settled();
    await rig.expectInOss(key, Buffer.from("new"));
    expect(put()).toHaveLength(2);
  });

  it("whose function worked, and whose answer was lost, do no harm", async () => {
    rig.faults.add({ service: "sqs-delivery", resourceIncludes: key, effect: { kind: "fail-after-work" } });
    const version = await rig.put(key, "once");
    await rig.mirrored(key, version);
    await rig.cloud.eventSources.settled();
    expect(put()).toHaveLength(1);
  });
});

describe("versions", () => {
  it("many in a row end with the newest one", async () => {
    let version = "";
    for (let number = 1; number <= 5; number += 1) version = await rig.put(key, `content ${number}`);
    await rig.mirrored(key, version);
    await rig.expectInOss(key, Buffer.from("content 5"));
  });

  it("deleted and created again end with what is there", async () => {
    await rig.put(key, "first");
    await rig.delete(key);
    const version = await rig.put(key, "second");
    await rig.mirrored(key, version);
    await rig.expectInOss(key, Buffer.from("second"));
  });

  it("deleted stay in OSS", async () => {
    const version = await rig.put(key, "kept");
    await rig.mirrored(key, version);
    await rig.delete(key);
    await rig.send({ sourceKey: key });
    await rig.until("the deletion noted", async () => (await rig.item(key))?.deletedAt);
    expect(String(await rig.ossBytes(`iotdb-backup/${key}`))).toBe("kept");
  });

  it("a slow old one against a new one: the new one is in OSS in the end", async () => {
    rig.faults.add({
      service: "oss",
      operation: "PutObject",
      resourceIncludes: key,
      effect: { kind: "delay", milliseconds: 1_500 },
    });
    await rig.put(key, "old and slow");
    await rig.until("the old one on its way", async () =>
      rig.faults.fired.find(({ resource }) => resource.includes(key)),
    );
    const version = await rig.put(key, "new");
    await rig.mirrored(key, version);
    await rig.expectInOss(key, Buffer.from("new"));
  });

  it("a large one while a small one is on its way, and a small one while a large one is", async () => {
    await rig.put(key, "small");
    const large = someBytes(300_000, 3);
    const second = await rig.put(key, large);
    await rig.mirrored(key, second);
    await rig.expectInOss(key, large);

    rig.faults.add({
      service: "oss",
      operation: "UploadPart",
      resourceIncludes: key,
      effect: { kind: "delay", milliseconds: 1_500 },
    });
    await rig.put(key, someBytes(300_000, 4));
    await rig.until("the large one on its way", async () =>
      rig.faults.fired.find(({ operation, resource }) => operation === "UploadPart" && resource.includes(key)),
    );
    const last = await rig.put(key, "small again");
    await rig.mirrored(key, last);
    await rig.expectInOss(key, Buffer.from("small again"));
  });
});

describe("OSS", () => {
  it.each(["PutObject", "HeadObject"])("that answers 503 to %s for a while is asked again", async (operation) => {
    rig.faults.add({
      service: "oss",
      operation,
      times: 7,
      effect: { kind: "error", status: 503, code: "ServiceUnavailable" },
    });
    const version = await rig.put(key, "patience");
    await rig.mirrored(key, version);
    await rig.expectInOss(key, Buffer.from("patience"));
    expect(await rig.deadLetters()).toBe(0);
  });

  it.each(["InitiateMultipartUpload", "UploadPart", "ListParts", "CompleteMultipartUpload", "HeadObject"])(
    "that fails %s of a large object now and then is asked again, and the answer may be lost after the work",
    async (operation) => {
      const bytes = someBytes(320_000, 5);
      rig.faults.add(
        { service: "oss", operation, times: 2, effect: { kind: "error", status: 503, code: "ServiceUnavailable" } },
        { service: "oss", operation, fromCall: 2, effect: { kind: "reset-after-work" } },
      );
      const version = await rig.put(key, bytes);
      await rig.mirrored(key, version);
      await rig.expectInOss(key, bytes);
    },
  );

  it("with damage on the way keeps nothing damaged", async () => {
    const bytes = someBytes(320_000, 6);
    for (const operation of ["UploadPart", "PutObject"]) {
      rig.faults.add({ service: "oss", operation, effect: { kind: "flip-stored-bit", when: "in-transit" } });
    }
    const small = await rig.put(`${key}.small`, "intact");
    const large = await rig.put(key, bytes);
    await rig.mirrored(key, large);
    await rig.mirrored(`${key}.small`, small);
    await rig.expectInOss(key, bytes);
    await rig.expectInOss(`${key}.small`, Buffer.from("intact"));
    expect(rig.faults.fired.filter(({ effect }) => effect.kind === "flip-stored-bit").length).toBeGreaterThan(1);
  });

  it("with a pair that was replaced is asked with the new one at once", async () => {
    await rig.mirrored(key, await rig.put(key, "before"));
    const pair = { accessKeyId: "LTAIrotated", accessKeySecret: "a-new-secret" };
    rig.cloud.oss.setCredentials(pair);
    await rig.rotate(pair);
    const version = await rig.put(key, "after");
    await rig.mirrored(key, version);
    expect(await rig.deadLetters()).toBe(0);
  });
});

describe("what cannot be mirrored", () => {
  it("a large object that OSS refuses leaves nothing unfinished, and its job says why", async () => {
    const before = new Set((await rig.runs()).map(({ executionArn }) => executionArn));
    rig.faults.add({
      service: "oss",
      operation: "UploadPart",
      times: 1000,
      effect: { kind: "error", status: 403, code: "AccessDenied" },
    });
    await rig.put(key, someBytes(300_000, 8));
    const run = await rig.until("a run", async () => (await rig.runs()).find((each) => !before.has(each.executionArn)));
    const { status, error, job } = await rig.runEnded(run.executionArn);
    expect([status, error]).toEqual(["FAILED", "TargetRefused"]);
    expect(job).toMatchObject({ state: "failed", error: { name: "TargetRefused" } });
    expect((await rig.askOss((oss) => oss.listUploads({ "max-uploads": 10 }))).uploads).toEqual([]);
    const item = await rig.item(key);
    expect(item).toMatchObject({
      lastError: { error: "TargetRefused", announced: true },
      waitingSince: expect.anything(),
    });
    expect(item).not.toHaveProperty("lease");

    // The next try is another execution, for the name is used up; it brings the object to OSS.
    rig.faults.clear();
    await rig.send({ sourceKey: key });
    await rig.until("the second run", async () =>
      (await rig.runs()).find(({ name, status: state }) => name.endsWith("-a2") && state === "SUCCEEDED"),
    );
    await rig.expectInOss(key, someBytes(300_000, 8));
  });

  it("ends in the dead letters, is told once, and is mirrored when the queue is redriven", async () => {
    const skewed = { kind: "error", status: 403, code: "RequestTimeTooSkewed" } as const;
    rig.faults.add({ service: "oss", operation: "PutObject", times: 1000, effect: skewed });
    const version = await rig.put(key, "later");
    await rig.send("this is no message");
    await rig.until("two dead letters", async () => ((await rig.deadLetters()) === 2 ? true : undefined));
    const item = await rig.item(key);
    expect(item?.lastError).toMatchObject({
      error: "TargetRefused",
      cause: expect.stringMatching(/clock/),
      announced: true,
    });

    rig.faults.clear();
    const { accessKeyId, secretAccessKey } = rig.cloud.operator;
    vi.stubEnv("AWS_ENDPOINT_URL", rig.cloud.url);
    vi.stubEnv("AWS_REGION", rig.cloud.region);
    vi.stubEnv("AWS_ACCESS_KEY_ID", accessKeyId);
    vi.stubEnv("AWS_SECRET_ACCESS_KEY", secretAccessKey);
    expect(await redriveMirror("local", false)).toMatch(/^2 dead letters are on the way back/);
    await expect(redriveMirror("local", true)).rejects.toThrowError(/no queue causeway-local-mirror-deletes/);
    vi.unstubAllEnvs();
    await rig.mirrored(key, version);
    await rig.expectInOss(key, Buffer.from("later"));
  });
});
