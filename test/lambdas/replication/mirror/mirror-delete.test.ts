// Mirrored deletes: only what S3 still does not have, only under the lease, and never what came back meanwhile.
import { beforeEach, describe, expect, it } from "vitest";
import { type MirrorDeletePorts, mirrorDelete } from "../../../../lambdas/replication/mirror/mirror-delete.ts";
import { CausewayError } from "../../../../lambdas/shared/errors.ts";
import { MemoryMirror } from "./memory-mirror.ts";
import { MirrorStage, mappings } from "./mirror-stage.ts";

const sourceKey = "mysql/rm-1/x.xb";
const targetKey = "iotdb-backup/mysql/rm-1/x.xb";
let store: MemoryMirror;
let stage: MirrorStage;
let deleted: string[];
let enqueued: string[];

beforeEach(async () => {
  store = new MemoryMirror();
  stage = new MirrorStage(store);
  deleted = [];
  enqueued = [];
  stage.objects.put(sourceKey, Buffer.from("there"));
  await stage.mirror({ sourceKey });
});

function remove(changes: Partial<MirrorDeletePorts> = {}) {
  return mirrorDelete(sourceKey, {
    mappings,
    mirror: store,
    remover: {
      delete: async (key) => {
        deleted.push(key);
        stage.oss.objects.delete(key);
      },
    },
    current: async (key) => stage.objects.current(key),
    enqueue: async (key) => void enqueued.push(key),
    newHolder: () => "deleter",
    lastWriteAt: () => stage.now + 300_000,
    now: () => stage.now,
    ...changes,
  });
}

describe("a deletion", () => {
  it("is carried out while S3 has nothing there, and forgets what was in OSS", async () => {
    stage.objects.delete(sourceKey);
    expect(await remove()).toBe("deleted");
    expect(deleted).toEqual([targetKey]);
    const item = await store.read(sourceKey);
    expect(item).toMatchObject({ deletedAt: expect.stringMatching(/Z$/) });
    for (const name of ["mirrored", "lease", "waitingSince"]) expect(item).not.toHaveProperty(name);
  });

  it("is not, where the object is there again, be it mirrored already or not", async () => {
    expect(await remove()).toBe("there-again");
    expect(enqueued).toEqual([]);
    stage.objects.put(sourceKey, Buffer.from("newer"));
    expect(await remove()).toBe("there-again");
    expect(enqueued).toEqual([sourceKey]);
    expect(deleted).toEqual([]);
    expect(await store.read(sourceKey)).toHaveProperty("waitingSince");
  });

  it("that is overtaken by a creation hands the key to the mirror, which puts it there again", async () => {
    stage.objects.delete(sourceKey);
    const outcome = await remove({
      remover: {
        delete: async (key) => {
          stage.oss.objects.delete(key);
          stage.objects.put(sourceKey, Buffer.from("back"));
          expect(await stage.mirror({ sourceKey })).toMatchObject({ outcome: "left-to-holder" });
        },
      },
    });
    expect(outcome).toBe("there-again");
    expect(enqueued).toEqual([sourceKey]);
    await stage.mirror({ sourceKey });
    expect(stage.oss.objects.get(targetKey)?.bytes.toString()).toBe("back");
  });

  it("waits for whoever works on the key", async () => {
    stage.objects.delete(sourceKey);
    stage.objects.put(sourceKey, Buffer.from("x"));
    stage.oss.beforePut = async () => {
      await expect(remove()).rejects.toMatchObject({ name: "MirrorLeaseHeld", retryable: true });
    };
    await stage.mirror({ sourceKey });
    expect(deleted).toEqual([]);
  });

  it("that OSS refuses gives the lease back, and says why", async () => {
    stage.objects.delete(sourceKey);
    const refused = new CausewayError("TargetRefused", "AccessDenied");
    await expect(remove({ remover: { delete: () => Promise.reject(refused) } })).rejects.toBe(refused);
    const item = await store.read(sourceKey);
    expect(item).toMatchObject({ lastError: { error: "TargetRefused" } });
    expect(item).not.toHaveProperty("lease");
  });

  it("outside of the mappings is nobody's business", async () => {
    const ports = { mappings: [{ from: "other/", to: "o/" }] };
    expect(await remove(ports)).toBe("not-mapped");
  });
});
