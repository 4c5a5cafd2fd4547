// One key's mirror with everything in memory but the table, for rules: S3, OSS, receipts, events, and a clock that is set.
import { randomUUID } from "node:crypto";
import {
  type KeyWish,
  type MirrorKeyPorts,
  type MirrorOutcome,
  mirrorKey,
} from "../../../../lambdas/replication/mirror/mirror-key.ts";
import type { MirrorStore } from "../../../../lambdas/replication/mirror.store.ts";
import { namedError } from "../../../../lambdas/shared/aws-errors.ts";
import type { EventDetail } from "../../../../lambdas/shared/events.ts";
import { MemoryObjects, sourceBucket } from "./memory-objects.ts";
import { MemoryOss } from "./memory-oss.ts";

export const mappings = [{ from: "mysql/", to: "iotdb-backup/mysql/" }];
export const invocationMilliseconds = 300_000;

export class MirrorStage {
  readonly objects = new MemoryObjects();
  readonly oss = new MemoryOss();
  readonly receipts = new Map<string, string>();
  readonly mirrored: EventDetail<"ObjectMirrored">[] = [];
  readonly failed: EventDetail<"MirrorFailed">[] = [];
  readonly started: { sourceKey: string; versionId: string | null; again: boolean }[] = [];
  readonly lost: unknown[] = [];
  readonly store: Pick<MirrorStore, "take" | "settle" | "giveBack">;
  now = Date.parse("2026-11-20T12:00:00.000Z");

  constructor(store: MirrorStage["store"]) {
    this.store = store;
  }

  ports(changes: Partial<MirrorKeyPorts> = {}): MirrorKeyPorts {
    const endsAt = this.now + invocationMilliseconds;
    return {
      settings: {
        sourceBucket,
        ossRegion: "oss-cn-hangzhou",
        ossBucket: "acme-iotdb",
        mappings,
        largeObjectBytes: 100_000,
      },
      sourceBucket,
      mirror: this.store,
      source: this.objects.source,
      target: this.oss,
      events: {
        mirrored: async (detail) => void this.mirrored.push(detail),
        failed: async (detail) => void this.failed.push(detail),
      },
      current: async (key) => this.objects.current(key),
      startRun: async ({ versionId }, { sourceKey, run }, again) => {
        this.started.push({ sourceKey, versionId, again });
        return { name: "run", versionId, attempt: (run?.attempt ?? 0) + 1 };
      },
      readReceipt: async (key) => this.receipts.get(key),
      writeReceipt: async (key, body) => {
        if (!this.receipts.has(key)) this.receipts.set(key, body);
        return this.receipts.get(key) ?? "";
      },
      sign: async (digest) => ({ keyId: "key", value: digest.toString("base64") }),
      newHolder: randomUUID,
      newUploadMark: randomUUID,
      lastWriteAt: () => endsAt,
      now: () => this.now,
      random: () => 0,
      nameError: namedError,
      onLost: (error) => this.lost.push(error),
      ...changes,
    };
  }

  mirror(
    wish: Partial<KeyWish> & { sourceKey: string },
    changes: Partial<MirrorKeyPorts> = {},
    signal = new AbortController().signal,
  ): Promise<MirrorOutcome> {
    return mirrorKey({ isLastAttempt: false, ...wish }, this.ports(changes), signal);
  }
}
