// Every Lambda of the mirror is killed after each of its outgoing calls, and before the first (before any other is after the
// one before it); the object is in OSS all the same.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MirrorRig, someBytes } from "./mirror-rig.ts";

/** The functions make fewer calls than this; one more is met by nobody, and that ends the search. */
const mostCalls = 60;

let rig: MirrorRig;
let keys = 0;

beforeAll(async () => {
  rig = await MirrorRig.start();
});

afterAll(async () => {
  await rig?.close();
});

/** Whether the function died in this round. */
async function mirrorKilled(name: string, atCall: number, when: "before" | "after", bytes: Buffer): Promise<boolean> {
  keys += 1;
  const key = `mysql/kills/${name}/${keys}`;
  rig.faults.clear();
  rig.faults.add({ service: "lambda", resourceIncludes: name, effect: { kind: "kill", atCall, when } });
  const callsBefore = rig.cloud.lambda.lastInvocations.length;
  const version = await rig.put(key, bytes);
  await rig.mirrored(key, version);
  rig.faults.clear();
  await rig.expectInOss(key, bytes);
  return rig.cloud.lambda.lastInvocations
    .slice(callsBefore)
    .some(({ functionName, error }) => functionName.includes(name) && error?.errorType === "Runtime.ExitError");
}

describe.each([
  ["MirrorObjects", 1_000],
  ["PlanMirror", 260_000],
  ["MirrorBatch", 260_000],
  ["CompleteMirror", 260_000],
])("%s killed", (name, sizeBytes) => {
  it("at any call: the object arrives whole", { timeout: 600_000 }, async () => {
    const bytes = someBytes(sizeBytes, 11);
    expect(await mirrorKilled(name, 1, "before", bytes)).toBe(true);
    let kills = 0;
    for (let atCall = 1; atCall <= mostCalls; atCall += 1) {
      if (!(await mirrorKilled(name, atCall, "after", bytes))) break;
      kills += 1;
    }
    expect(kills, "calls that were met").toBeGreaterThan(2);
    expect(kills).toBeLessThan(mostCalls);
  });
});

it("AbandonMirror killed at each call still leaves nothing unfinished, and keeps the reason", {
  timeout: 600_000,
}, async () => {
  const denied = { kind: "error", status: 403, code: "AccessDenied" } as const;
  let kills = 0;
  for (let atCall = 1; atCall <= mostCalls; atCall += 1) {
    const key = `mysql/kills/abandon/${atCall}`;
    rig.faults.clear();
    rig.faults.add(
      { service: "oss", operation: "UploadPart", resourceIncludes: key, times: 10_000, effect: denied },
      { service: "lambda", resourceIncludes: "AbandonMirror", effect: { kind: "kill", atCall, when: "after" } },
    );
    const callsBefore = rig.cloud.lambda.lastInvocations.length;
    await rig.put(key, someBytes(260_000, 12));
    const item = await rig.until("the reason", async () => {
      const found = await rig.item(key);
      return found?.lastError?.announced && found.lease === undefined ? found : undefined;
    });
    expect(item.lastError).toMatchObject({ error: "TargetRefused" });
    expect((await rig.askOss((oss) => oss.listUploads({ "max-uploads": 10 }))).uploads).toEqual([]);
    const died = rig.cloud.lambda.lastInvocations
      .slice(callsBefore)
      .some(({ functionName, error }) => functionName.includes("Abandon") && error?.errorType === "Runtime.ExitError");
    if (!died) break;
    kills += 1;
  }
  expect(kills).toBeGreaterThan(2);
});
