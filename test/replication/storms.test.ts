// Random weather: two to six kinds of trouble at once, from a seed. A failing seed is printed and repeats exactly.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { seededContent } from "../../local/aliyun-rds/seeded-content.ts";
import { storm } from "../../local/start/storm.ts";
import { ReplicationRig } from "./replication-rig.ts";

/** `npm run test:faults` asks for thousands; CAUSEWAY_FAULT_SEED=n runs that one alone. */
const seeds = Number(process.env.CAUSEWAY_FAULT_SEEDS ?? 200);
const only = process.env.CAUSEWAY_FAULT_SEED;
const firstSeed = only === undefined ? 1 : Number(only);
const lastSeed = only === undefined ? seeds : firstSeed;

/** A run mostly waits: for pauses between attempts, which pass in real time. */
const lanes = Math.min(4, lastSeed - firstSeed + 1);
const rigs: ReplicationRig[] = [];

beforeAll(async () => {
  for (let lane = 0; lane < lanes; lane += 1) rigs.push(await ReplicationRig.start());
});

afterAll(async () => {
  for (const rig of rigs) await rig.close();
});

/** Whether the backup came through at once. */
async function weather(rig: ReplicationRig, seed: number): Promise<boolean> {
  const rules = storm(seed);
  const story = `seed ${seed}: ${JSON.stringify(rules)}`;
  const sizeBytes = 1 + ((seed * 7919) % 600_000);
  rig.faults.clear();
  const backup = await rig.addBackup({ content: { seed, sizeBytes } });
  rig.faults.add(...rules);
  const run = await rig.run({ backupIds: [backup.backupId] });
  rig.faults.clear();
  const copy = await rig.copy(backup);
  if (run.status === "SUCCEEDED") {
    await rig.expectCopied(backup, Buffer.from(seededContent(seed)(0, sizeBytes))).catch((error: unknown) => {
      throw new Error(`${story}\n${error}`, { cause: error });
    });
    return true;
  }
  // Too much at once may defeat the retries: then nothing half-done stays, the reason is kept, and a calm run repairs it.
  expect(copy?.claim, story).toBeUndefined();
  await rig.expectNothingUnfinished();
  const calm = await rig.run({ backupIds: [backup.backupId] });
  expect(calm.status, `${story}\n${run.error} ${run.cause}\nthen ${calm.error} ${calm.cause}`).toBe("SUCCEEDED");
  await rig.expectCopied(backup, Buffer.from(seededContent(seed)(0, sizeBytes)));
  return false;
}

describe("in any weather", () => {
  it(`a backup arrives whole or not at all, for seeds ${firstSeed} to ${lastSeed}`, {
    timeout: 3_600_000,
  }, async () => {
    let copied = 0;
    let refused = 0;
    await Promise.all(
      rigs.map(async (rig, lane) => {
        for (let seed = firstSeed + lane; seed <= lastSeed; seed += lanes) {
          if (await weather(rig, seed)) copied += 1;
          else refused += 1;
        }
      }),
    );
    expect(copied + refused).toBe(lastSeed - firstSeed + 1);
    expect(copied).toBeGreaterThan(refused * 4);
  });
});
