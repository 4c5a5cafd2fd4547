// Facts 4.3 no. 11: whatever goes wrong, in whatever combination, no secret and no signed link leaves the room's Lambdas:
// not by the log, not by an error, not by what the workflow is given, not by an event, not by the job that people look at.
import { inspect } from "node:util";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { handler as abandonCopy } from "../../../lambdas/replication/abandon-copy.lambda.ts";
import { handler as completeCopy } from "../../../lambdas/replication/complete-copy.lambda.ts";
import { handler as copyBatch } from "../../../lambdas/replication/copy-batch.lambda.ts";
import { handler as listBackups } from "../../../lambdas/replication/list-backups.lambda.ts";
import { handler as planCopy } from "../../../lambdas/replication/plan-copy.lambda.ts";
import { handler as recordReceipt } from "../../../lambdas/replication/record-receipt.lambda.ts";
import { handler as refreshLink } from "../../../lambdas/replication/refresh-link.lambda.ts";
import { handler as summariseRun } from "../../../lambdas/replication/summarise-run.lambda.ts";
import type { InvocationContext } from "../../../lambdas/shared/make-handler.ts";
import { type FaultEffect, type FaultRule, seededRandom } from "../../../local/rig/faults.ts";
import { accessKey } from "../../local/aliyun-rds/aliyun-fixture.ts";
import { operator } from "../../local/service-rig.ts";
import { type CapturedOutput, captureOutput } from "../shared/captured-output.ts";
import { calmRandom } from "./calm-random.ts";
import { listedBackup } from "./copy-facts.ts";
import { type RoomRig, startRoomRig, tables } from "./room-rig.ts";

/** More only bring more of the same: the kinds of trouble are few, and each seed meets several. */
const seeds = 40;
const instanceId = "rm-1";
const context: InvocationContext = { awsRequestId: "request", getRemainingTimeInMillis: () => 60_000 };

const newest = Date.now() - 3_600_000;

let rig: RoomRig;
let output: CapturedOutput;
/** Everything that left the Lambdas otherwise than by the log. */
const left: string[] = [];
const outcomes: string[] = [];

beforeAll(async () => {
  rig = await startRoomRig();
  rig.fixture.aliyun.addInstance({ instanceId, engine: "MySQL", engineVersion: "8.0" });
  calmRandom();
  output = captureOutput();
});

afterAll(async () => {
  vi.restoreAllMocks();
  await rig?.[Symbol.asyncDispose]();
});

const troubles: readonly { readonly service: string; readonly effects: readonly FaultEffect[] }[] = [
  {
    service: "aliyun-download",
    effects: [
      { kind: "throttle" },
      { kind: "error", status: 403, code: "SignatureDoesNotMatch" },
      { kind: "error", status: 502, code: "Html" },
      { kind: "reset" },
      { kind: "expire-link" },
      { kind: "ignore-range" },
      { kind: "wrong-range" },
      { kind: "short-body", share: 0.5 },
      { kind: "replace-source", how: "shorter" },
    ],
  },
  {
    service: "aliyun-rds",
    effects: [
      { kind: "throttle" },
      { kind: "error", status: 400, code: "SignatureDoesNotMatch" },
      { kind: "error", status: 403, code: "Forbidden.RAM" },
      { kind: "error", status: 502, code: "Html" },
      { kind: "reset-after-work" },
    ],
  },
  ...["s3", "dynamodb", "secretsmanager", "kms", "events"].map((service) => ({
    service,
    effects: [
      { kind: "throttle" },
      { kind: "error", status: 400, code: "AccessDeniedException" },
      { kind: "error", status: 500, code: "InternalError" },
      { kind: "reset" },
      { kind: "fail-after-work" },
    ] satisfies FaultEffect[],
  })),
];

/** Some trouble, the same for the same seed: now and then for a moment, now and then for ever. */
function troubleOf(seed: number): FaultRule[] {
  const random = seededRandom(seed);
  const pick = <Item>(items: readonly Item[]) => items[Math.floor(random() * items.length)] as Item;
  return Array.from({ length: 1 + Math.floor(random() * 3) }, () => {
    const { service, effects } = pick(troubles);
    const fromCall = 1 + Math.floor(random() * 12);
    return { service, fromCall, times: random() < 0.5 ? 1 + Math.floor(random() * 3) : 10_000, effect: pick(effects) };
  });
}

/** One call as the workflow makes it; what comes of it leaves the Lambda. */
async function call<Output>(handler: (event: unknown, context: InvocationContext) => Promise<Output>, event: object) {
  left.push(JSON.stringify(event));
  try {
    const answer = await handler(event, context);
    left.push(JSON.stringify(answer));
    return answer;
  } catch (error) {
    const { name, message } = error as Error;
    outcomes.push(name);
    // As the runtime hands it over, and as it would be printed with its own properties.
    left.push(JSON.stringify({ errorType: name, errorMessage: message, trace: (error as Error).stack }));
    left.push(JSON.stringify(error), inspect({ ...(error as object) }, { depth: 6 }));
    throw error;
  }
}

/** What the state machine does with one backup, in few words. */
async function copyOnce(seed: number): Promise<void> {
  const backupId = String(1_000_000 + seed);
  const who = { runId: `run-${seed}`, executionArn: `arn:aws:states:eu-central-1:1:execution:replicate:run-${seed}` };
  const startedAt = newest - seed * 1000;
  await rig.fixture.aliyun.addBackup({
    instanceId,
    backupId,
    fileName: `${backupId}.xb`,
    startedAt,
    content: { seed, sizeBytes: 9_000 },
  });
  rig.fixture.faults.add(...troubleOf(seed).filter(({ service }) => service.startsWith("aliyun")));
  rig.faults.add(...troubleOf(seed).filter(({ service }) => !service.startsWith("aliyun")));
  const copyId = `aliyun-rds:${instanceId}:${backupId}`;
  const copy = { ...who, copyId };
  try {
    await call(listBackups, { ...who, request: { backupIds: [backupId] } });
    const backup = {
      ...listedBackup,
      copyId,
      backupId,
      fileName: `${backupId}.xb`,
      startedAt: new Date(startedAt).toISOString(),
    };
    const planned = await call(planCopy, { ...who, backup });
    const batch = { number: 1, firstPart: 1, lastPart: planned.partCount ?? 1 };
    for (let round = 0; round < 4; round += 1) {
      const { state, linkVersion } = await call(copyBatch, { ...copy, idleRounds: 0, batch });
      if (state === "link-expired") await call(refreshLink, { ...copy, expiredLinkVersion: linkVersion });
      if (state === "done") break;
    }
    await call(completeCopy, copy);
    await call(recordReceipt, copy);
    outcomes.push("copied");
  } catch (error) {
    const { name, message } = error as Error;
    const failure = { Error: name, Cause: JSON.stringify({ errorType: name, errorMessage: message }) };
    await call(abandonCopy, { ...copy, failure }).catch(() => undefined);
  }
  await call(summariseRun, { runId: who.runId, failure: null }).catch(() => undefined);
  rig.fixture.faults.clear();
  rig.faults.clear();
}

describe("whatever goes wrong", () => {
  it(`in ${seeds} mixtures of trouble, nothing that leaves a Lambda holds a secret or a signed link`, async () => {
    for (let seed = 1; seed <= seeds; seed += 1) await copyOnce(seed);
    // The table of copies is the one place where an address is kept, until the copy has ended.
    const isForCopies = ({ body }: { body: string }) => body.includes(`"${tables.copies}"`);
    const kept = rig.sent.filter((sent) => !isForCopies(sent)).map(({ body }) => body);
    const everything = [output.text(), ...left, ...kept].join("\n");
    const signatures = rig.sent
      .filter(isForCopies)
      .flatMap(({ body }) => [...body.matchAll(/[?&]Signature=([^"&]+)/g)].map(([, signature = ""]) => signature));
    expect(signatures.length, "addresses were handed out").toBeGreaterThan(seeds / 4);

    expect(new Set(outcomes).size, "trouble of many kinds was met").toBeGreaterThan(5);
    expect(outcomes).toContain("copied");
    expect(output.lines().length).toBeGreaterThan(seeds / 2);
    expect(everything).not.toMatch(/Signature(=|%3D|\\u003d)(?!\(hidden\))/i);
    for (const secret of [accessKey.accessKeySecret, operator.secretAccessKey, ...signatures]) {
      for (const form of [secret, encodeURIComponent(secret), decodeURIComponent(secret)]) {
        expect(everything).not.toContain(form);
      }
    }
  });
});
