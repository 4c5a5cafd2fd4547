// The mirror against a model: writers, duplicated and reordered events, Lambdas that die at any call, in any interleaving.
// Whatever happens, the newest version of S3 is in OSS when every message has been done with, and nothing waits any more.
import fc from "fast-check";
import { expect, it } from "vitest";
import { leaseMarginMilliseconds, type MirrorKeyPorts } from "../../../../lambdas/replication/mirror/mirror-key.ts";
import { CausewayError } from "../../../../lambdas/shared/errors.ts";
import { MemoryMirror } from "./memory-mirror.ts";
import { invocationMilliseconds, MirrorStage } from "./mirror-stage.ts";

const sourceKey = "mysql/model";

/** What an invocation is to meet: it dies at its n-th call (before or after the call's work), or OSS fails once. */
interface Mishap {
  readonly atCall: number;
  readonly kind: "dies-before" | "dies-after" | "fails";
}

const mishap = fc.option(
  fc.record<Mishap>({
    atCall: fc.integer({ min: 1, max: 12 }),
    kind: fc.constantFrom("dies-before", "dies-after", "fails"),
  }),
  { nil: undefined },
);

const changes = fc.array(
  fc.record({
    kind: fc.constantFrom("put", "put", "delete"),
    deliveries: fc.integer({ min: 1, max: 2 }),
    /** Turns of others before it: a version may come at any moment of another one's way. */
    turns: fc.integer({ min: 0, max: 12 }),
  }),
  { minLength: 1, maxLength: 4 },
);

type Mirror = MirrorKeyPorts["mirror"];

/** The ports of one invocation: every call waits its turn in the scheduler, and meets the mishap. */
function portsOf(stage: MirrorStage, scheduler: fc.Scheduler, meets: Mishap | undefined): Partial<MirrorKeyPorts> {
  let calls = 0;
  let isDead = false;
  const die = () => {
    isDead = true;
    throw new Error("killed");
  };
  async function call<Answer>(name: string, work: () => Answer | Promise<Answer>): Promise<Answer> {
    calls += 1;
    const number = calls;
    await scheduler.schedule(Promise.resolve(), name);
    if (isDead || (meets?.kind === "dies-before" && meets.atCall === number)) die();
    if (meets?.kind === "fails" && meets.atCall === number) throw new CausewayError("AwsUnavailable", "for once");
    const answer = await work();
    await scheduler.schedule(Promise.resolve(), `${name} answers`);
    if (isDead || (meets?.kind === "dies-after" && meets.atCall === number)) die();
    return answer;
  }
  const ports = stage.ports();
  const { mirror, target, current, events } = ports;
  const guarded: Mirror = {
    take: (wish) => call("take", () => mirror.take(wish)),
    settle: (held, settlement) => call("settle", () => mirror.settle(held, settlement)),
    giveBack: (held, left) => call("give back", () => mirror.giveBack(held, left)),
  };
  return {
    mirror: guarded,
    current: (key) => call("look", () => current(key)),
    events: { ...events, mirrored: (detail) => call("tell", () => events.mirrored(detail)) },
    target: {
      ...target,
      limits: target.limits,
      checksum: target.checksum,
      checkKey: (key) => target.checkKey(key),
      describe: (key) => call("describe", () => target.describe(key)),
      putWhole: (...given) => call("put", () => target.putWhole(...given)),
    } as MirrorKeyPorts["target"],
  };
}

/** One Lambda per message; a message comes again until its Lambda ends well. */
const mostDeliveries = 12;

it("the newest version ends in OSS, whatever dies, fails or comes twice in between", { timeout: 120_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), changes, fc.array(mishap, { maxLength: 6 }), async (scheduler, made, mishaps) => {
      const store = new MemoryMirror();
      const stage = new MirrorStage(store);
      const mishapsLeft = [...mishaps];
      let contents = 0;
      const alive = new Set<Promise<unknown>>();

      const deliver = async () => {
        for (let times = 0; times < mostDeliveries; times += 1) {
          const ports = portsOf(stage, scheduler, mishapsLeft.shift());
          const invocation = stage.mirror({ sourceKey }, ports).then(
            () => true,
            () => false,
          );
          alive.add(invocation);
          const isDone = await invocation;
          alive.delete(invocation);
          if (isDone) return;
          // What a dead one held ends by itself, and its message comes back after that: no invocation lives that long.
          await Promise.all(alive);
          stage.now += invocationMilliseconds + leaseMarginMilliseconds + 1;
        }
        throw new Error("the message was never done with");
      };
      const messages: Promise<void>[] = [];
      const writer = async () => {
        for (const { kind, deliveries, turns } of made) {
          for (let turn = 0; turn <= turns; turn += 1) await scheduler.schedule(Promise.resolve(), kind);
          contents += 1;
          if (kind === "put") stage.objects.put(sourceKey, Buffer.from(`content ${contents}`));
          else stage.objects.delete(sourceKey);
          for (let copy = 0; copy < deliveries; copy += 1) messages.push(deliver());
        }
      };
      await scheduler.waitFor(writer());
      await scheduler.waitFor(Promise.all(messages));

      const item = await store.read(sourceKey);
      const waitsForNobody = item?.lease === undefined && item?.waitingSince !== undefined;
      // A holder that died after another one had left its message to it: the check for lag brings the key back.
      if (item?.waitingSince !== undefined) {
        stage.now += invocationMilliseconds + leaseMarginMilliseconds + 1;
        await stage.mirror({ sourceKey });
      }
      expect(waitsForNobody, "only a lease may be what a key waits for").toBe(false);
      const settled = await store.read(sourceKey);
      expect(settled).not.toHaveProperty("waitingSince");
      expect(settled).not.toHaveProperty("lease");
      const current = stage.objects.bytes(sourceKey);
      const present = stage.oss.objects.get(`iotdb-backup/${sourceKey}`);
      if (current !== undefined) expect(present?.bytes.toString()).toBe(current.toString());
      else expect(settled).toHaveProperty("deletedAt");
    }),
    { numRuns: Number(process.env.MIRROR_RUNS ?? 300) },
  );
});
