// Queues that call functions: real queues, functions of this file, cloud time.
import { createHash } from "node:crypto";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { LambdaResult } from "../../../local/gateway/ports.ts";
import { ServiceError } from "../../../local/gateway/service.ts";
import type { EventSourceMapping } from "../../../local/lambda/event-source-mapping.ts";
import { EventSources } from "../../../local/lambda/event-sources.ts";
import { asynchronousDefaults, type FunctionDefinition } from "../../../local/lambda/function-definition.ts";
import { createSqsService, type SqsService } from "../../../local/sqs/sqs.ts";
import { accountId, operator, region, type ServiceRig, startServiceRig } from "../service-rig.ts";

const queueArn = (name: string) => `arn:aws:sqs:${region}:${accountId}:${name}`;
const functionArn = `arn:aws:lambda:${region}:${accountId}:function:take-object`;
const role = { ...operator, arn: `arn:aws:iam::${accountId}:role/take-object` };

interface Message {
  readonly messageId: string;
  readonly body: string;
  readonly attributes: Readonly<Record<string, string>>;
}
type FakeFunction = (records: readonly Message[], signal: AbortSignal) => unknown;

let rig: ServiceRig<{ sqs: SqsService }>;
let sources: EventSources;
let work: FakeFunction;
/** Bodies of each invocation, oldest first. */
let calls: string[][];
let notices: string[];
const open: EventSources[] = [];

beforeEach(async () => {
  [calls, notices] = [[], []];
  work = () => undefined;
  rig = await startServiceRig(
    (context) => {
      const sqs = createSqsService(context);
      sqs.createQueue({ name: "dead" });
      sqs.createQueue({
        name: "objects",
        visibilityTimeoutSeconds: 180,
        redrive: { deadLetterQueueArn: queueArn("dead"), maximumReceiveCount: 3 },
      });
      return { sqs };
    },
    { skipIdle: true },
  );
});
afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
  await rig.close();
});

function map(change: Partial<EventSourceMapping> = {}): EventSources {
  sources = new EventSources({
    host: {
      find: (): FunctionDefinition => ({
        ...{ name: "take-object", arn: functionArn, handler: "index.handler", codeDirectory: "", environment: {} },
        ...{ memoryMb: 128, timeoutSeconds: 60, credentials: role, logGroupName: "" },
        asynchronous: asynchronousDefaults,
      }),
      async invoke(_arn, payload, signal): Promise<LambdaResult> {
        const { Records: records } = JSON.parse(payload) as { Records: Message[] };
        calls.push(records.map(({ body }) => body));
        try {
          const answer = await work(records, signal ?? new AbortController().signal);
          return { payload: JSON.stringify(answer ?? null) };
        } catch (error) {
          if (error instanceof ServiceError || signal?.aborted) throw error;
          return { payload: "{}", error: { errorType: "Error", errorMessage: String(error) } };
        }
      },
    },
    source: rig.services.sqs,
    clock: rig.clock,
    faults: rig.faults,
    authorize: rig.context.authorize,
    region,
    onNotice: (sentence) => notices.push(sentence),
  });
  const refusal = sources.add({
    ...{ functionArn, queueArn: queueArn("objects"), batchSize: 10, windowSeconds: 0 },
    ...{ reportsItemFailures: true, enabled: true, ...change },
  });
  expect(refusal).toBeUndefined();
  open.push(sources);
  return sources;
}
const send = (...bodies: string[]) => {
  for (const body of bodies) rig.services.sqs.sendMessage(queueArn("objects"), body, { kind: "test" });
};
const inDeadLetterQueue = () => rig.services.sqs.depths(queueArn("dead")).visible;

describe("a mapping", () => {
  test("hands the function the record that AWS hands it, and removes what was taken", async () => {
    let records: readonly Message[] = [];
    work = (given) => {
      records = given;
    };
    send("größer");
    map().start();
    await sources.settled();
    expect(records).toEqual([
      {
        messageId: expect.stringMatching(/^[0-9a-f-]{36}$/),
        receiptHandle: expect.any(String),
        body: "größer",
        attributes: {
          ApproximateReceiveCount: "1",
          SentTimestamp: expect.stringMatching(/^\d{13}$/),
          SenderId: "AWS",
          ApproximateFirstReceiveTimestamp: expect.stringMatching(/^\d{13}$/),
        },
        messageAttributes: {
          kind: { stringValue: "test", stringListValues: [], binaryListValues: [], dataType: "String" },
        },
        md5OfMessageAttributes: expect.stringMatching(/^[0-9a-f]{32}$/),
        md5OfBody: createHash("md5").update("größer").digest("hex"),
        eventSource: "aws:sqs",
        eventSourceARN: queueArn("objects"),
        awsRegion: region,
      },
    ]);
    expect(rig.services.sqs.nextVisibleAt(queueArn("objects"))).toBeUndefined();
  });

  test("makes batches of what is there, in order, and takes what comes while it sleeps", async () => {
    send(...Array.from({ length: 12 }, (_, index) => String(index)));
    map({ batchSize: 5 }).start();
    await sources.settled();
    expect(calls.map((bodies) => bodies.length)).toEqual([5, 5, 2]);
    expect(calls.flat()).toEqual(Array.from({ length: 12 }, (_, index) => String(index)));
    send("later");
    await sources.settled();
    expect(calls.at(-1)).toEqual(["later"]);
  });

  test("waits for a full batch as long as its window is, and not longer", async () => {
    map({ batchSize: 15, windowSeconds: 60 }).start();
    const holdOn = rig.clock.hold();
    send(...Array.from({ length: 14 }, (_, index) => String(index)));
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(calls).toEqual([]);
    send("14");
    await expect.poll(() => calls.map((bodies) => bodies.length)).toEqual([15]);
    send("alone");
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(calls).toHaveLength(1);
    holdOn.release();
    await sources.settled();
    expect(calls.slice(1)).toEqual([["alone"]]);
  });

  test("cuts a batch whose event would be larger than Lambda takes", async () => {
    const large = "x".repeat(1_000_000);
    send(...Array.from({ length: 8 }, (_, index) => large + index));
    map().start();
    await sources.settled();
    expect(calls.map((bodies) => bodies.length)).toEqual([6, 2]);
  });

  test("calls no more functions at once than its limit", async () => {
    let [atOnce, most] = [0, 0];
    work = async () => {
      atOnce += 1;
      most = Math.max(most, atOnce);
      await new Promise((resolve) => setTimeout(resolve, 5));
      atOnce -= 1;
    };
    send(...Array.from({ length: 9 }, (_, index) => String(index)));
    map({ batchSize: 1, maximumConcurrency: 2 }).start();
    await sources.settled();
    expect(calls).toHaveLength(9);
    expect(most).toBe(2);
  });

  test("that is idle moves no clock", async () => {
    map().start();
    send("1");
    await sources.settled();
    const ahead = () => rig.clock.now() - Date.now();
    const before = ahead();
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(ahead() - before).toBeLessThan(1000);
  });

  test("takes nothing while it is disabled, and goes on when it is enabled", async () => {
    map({ enabled: false }).start();
    send("1");
    await sources.settled();
    expect(calls).toEqual([]);
    sources.enable("take-object");
    await sources.settled();
    expect(calls).toEqual([["1"]]);
    sources.disable("object");
    send("2");
    await sources.settled();
    expect(calls).toHaveLength(1);
    expect(() => sources.enable("other")).toThrow("other");
  });
});

describe("failure", () => {
  test("of the function brings the batch back after the visibility timeout, and at last to the dead-letter queue", async () => {
    const counts: (string | undefined)[] = [];
    const times: number[] = [];
    work = ([record]) => {
      counts.push(record?.attributes.ApproximateReceiveCount);
      times.push(rig.clock.now());
      throw new Error("no");
    };
    const sentAt = rig.clock.now();
    send("poison");
    map().start();
    await sources.settled();
    expect(counts).toEqual(["1", "2", "3"]);
    for (const [index, time] of times.entries()) expect(time).toBeGreaterThanOrEqual(sentAt + index * 180_000);
    expect(inDeadLetterQueue()).toBe(1);
  });

  test("of some messages brings back those alone", async () => {
    let broken = true;
    work = (records) => {
      const failing = records.filter(({ body }) => broken && body === "bad");
      broken = false;
      return { batchItemFailures: failing.map(({ messageId }) => ({ itemIdentifier: messageId })) };
    };
    send("good", "bad", "fine");
    map().start();
    await sources.settled();
    expect(calls).toEqual([["good", "bad", "fine"], ["bad"]]);
  });

  test("reported to a mapping that does not ask for reports is success", async () => {
    work = (records) => ({ batchItemFailures: records.map(({ messageId }) => ({ itemIdentifier: messageId })) });
    send("1");
    map({ reportsItemFailures: false }).start();
    await sources.settled();
    expect(calls).toHaveLength(1);
  });

  test("to get a place for the function is waited out", async () => {
    let refusals = 2;
    work = () => {
      refusals -= 1;
      if (refusals >= 0) throw new ServiceError(429, "TooManyRequestsException", "Rate Exceeded.");
      return {};
    };
    send("1");
    map().start();
    await sources.settled();
    expect(calls).toEqual([["1"], ["1"], ["1"]]);
    expect(inDeadLetterQueue()).toBe(0);
  });

  test.each(["sqs:ReceiveMessage", "sqs:GetQueueAttributes", "sqs:DeleteMessage"])(
    "for want of %s stops the mapping with a notice, until it is enabled again",
    async (action) => {
      rig.denied.add(action);
      map().start();
      send("1");
      await expect.poll(() => sources.list()[0]?.state).toBe("stopped");
      expect(notices).toEqual([expect.stringContaining(`may not ${action}`)]);
      expect(sources.list()[0]?.problem).toContain(role.arn);
      rig.denied.clear();
      sources.enable("take-object");
      await sources.settled();
      expect(rig.services.sqs.nextVisibleAt(queueArn("objects"))).toBeUndefined();
    },
  );

  test("of the cloud itself loses nothing: what ran is run again after the restart, at once", async () => {
    const counts: (string | undefined)[] = [];
    let started: () => void = () => undefined;
    const running = new Promise<void>((resolve) => {
      started = resolve;
    });
    work = (_records, signal) => {
      started();
      return new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    };
    send("1");
    map().start();
    await running;
    await sources.close();
    await rig.restart();
    work = ([record]) => {
      counts.push(record?.attributes.ApproximateReceiveCount);
    };
    map().start();
    const before = rig.clock.now();
    await sources.settled();
    expect(calls).toEqual([["1"], ["1"]]);
    expect(counts).toEqual(["1"]);
    expect(rig.clock.now() - before).toBeLessThan(60_000);
  });
});

describe("the fault rig", () => {
  const rule = { service: "sqs-delivery", operation: "take-object" };

  test("delivers a message several times at once", async () => {
    rig.faults.add({ ...rule, resourceIncludes: "twice", effect: { kind: "duplicate-event", deliveries: 2 } });
    let atOnce = 0;
    work = async () => {
      atOnce += 1;
      await expect.poll(() => calls.filter(([body]) => body === "twice").length).toBe(2);
    };
    send("twice");
    map().start();
    await sources.settled();
    expect(calls).toEqual([["twice"], ["twice"]]);
    expect(atOnce).toBe(2);
  });

  test("lets a message be overtaken", async () => {
    rig.faults.add({ ...rule, resourceIncludes: "objects first", effect: { kind: "reorder-event" } });
    send("first", "second");
    map().start();
    await sources.settled();
    expect(calls).toEqual([["second"], ["first"]]);
  });

  test("loses an answer, a delivery, and time", async () => {
    rig.faults.add(
      { ...rule, resourceIncludes: "answer", effect: { kind: "fail-after-work" } },
      { ...rule, resourceIncludes: "delivery", effect: { kind: "throttle" } },
      { ...rule, resourceIncludes: "late", effect: { kind: "delay", milliseconds: 5000 } },
    );
    const receives = new Map<string, string | undefined>();
    work = (records) => {
      for (const { body, attributes } of records) receives.set(body, attributes.ApproximateReceiveCount);
    };
    send("answer", "delivery", "late");
    map().start();
    await sources.settled();
    expect(calls.filter(([body]) => body === "answer")).toHaveLength(2);
    expect(Object.fromEntries(receives)).toEqual({ answer: "2", delivery: "2", late: "1" });
  });

  test("is told by name what cannot be done here", async () => {
    rig.faults.add({ ...rule, effect: { kind: "flip-bit", share: 0.5 } });
    map().start();
    send("1");
    await expect.poll(() => notices).toEqual([expect.stringContaining("cannot do the fault flip-bit")]);
  });
});
