// Mirror key with everything that it needs, for an entry that has built its stores: one opening for the instance, one span
// of time for each invocation.
import { CausewayError } from "../../shared/errors.ts";
import type { EventSender } from "../../shared/events.ts";
import type { MirrorStore } from "../mirror.store.ts";
import type { MirrorRunsStore } from "../mirror-runs.store.ts";
import type { ReceiptsStore } from "../receipts.store.ts";
import type { SigningKeyStore } from "../signing-key.store.ts";
import type { SourceObjectsStore } from "../source-objects.store.ts";
import type { RangedSource } from "../sources/source.ts";
import type { WholeObjectTarget } from "../targets/target.ts";
import type { Mapping } from "./mappings.ts";
import { type KeyWish, type MirrorKeyPorts, type MirrorOutcome, mirrorKey } from "./mirror-key.ts";

/** What an entry's environment says about the mirror. */
export interface MirrorEnvironment {
  readonly BACKUPS_BUCKET: string;
  readonly OSS_REGION: string;
  readonly OSS_BUCKET: string;
  readonly MIRROR_MAPPINGS: readonly Mapping[];
  readonly LARGE_OBJECT_BYTES: number;
}

export interface MirrorParts {
  readonly mirror: Pick<MirrorStore, "take" | "settle" | "giveBack">;
  readonly objects: Pick<SourceObjectsStore, "current">;
  readonly receipts: Pick<ReceiptsStore, "read" | "writeOnce">;
  readonly signingKey: Pick<SigningKeyStore, "sign">;
  readonly runs: Pick<MirrorRunsStore, "start">;
  readonly events: EventSender;
  readonly source: RangedSource;
  readonly target: WholeObjectTarget;
  /** Of an upload, of a holder: never twice the same. */
  newMark(): string;
  now(): number;
  random(): number;
  nameError(error: unknown): CausewayError;
  onOutcome(outcome: MirrorOutcome): void;
  onLost(error: unknown): void;
}

/** An invocation's time: after it nothing is written any more. */
export interface MirrorTime extends Disposable {
  readonly signal: AbortSignal;
  /** Errors as of `mirrorKey`. */
  mirror(wish: KeyWish): Promise<MirrorOutcome>;
}

export interface OpenMirror {
  until(remainingMilliseconds: number): MirrorTime;
}

/** What an invocation keeps for itself: to give leases back, and to answer. */
const closingMilliseconds = 15_000;

export function openMirror(environment: MirrorEnvironment, parts: MirrorParts): OpenMirror {
  const { mirror, objects, receipts, signingKey, runs, events, source, target, now, random, onLost } = parts;
  const ports: Omit<MirrorKeyPorts, "lastWriteAt"> = {
    settings: {
      sourceBucket: environment.BACKUPS_BUCKET,
      ossRegion: environment.OSS_REGION,
      ossBucket: environment.OSS_BUCKET,
      mappings: environment.MIRROR_MAPPINGS,
      largeObjectBytes: environment.LARGE_OBJECT_BYTES,
    },
    sourceBucket: environment.BACKUPS_BUCKET,
    mirror,
    source,
    target,
    events: {
      mirrored: (detail) => events.send("ObjectMirrored", [detail]),
      failed: (detail) => events.send("MirrorFailed", [detail]),
    },
    current: (sourceKey) => objects.current(sourceKey),
    startRun: (current, item, again) => runs.start(current, item, again),
    readReceipt: (key) => receipts.read(key),
    writeReceipt: (key, body) => receipts.writeOnce(key, body),
    sign: (digest) => signingKey.sign(digest),
    newHolder: parts.newMark,
    newUploadMark: parts.newMark,
    now,
    random,
    nameError: parts.nameError,
    onLost,
  };
  return {
    until(remainingMilliseconds) {
      const stop = new AbortController();
      const endsAt = now() + remainingMilliseconds;
      const timer = setTimeout(
        () => stop.abort(new CausewayError("StillWorking", "The invocation's time is used up.")),
        Math.max(0, remainingMilliseconds - closingMilliseconds),
      );
      return {
        signal: stop.signal,
        async mirror(wish) {
          const outcome = await mirrorKey(wish, { ...ports, lastWriteAt: () => endsAt }, stop.signal);
          parts.onOutcome(outcome);
          return outcome;
        },
        [Symbol.dispose]: () => clearTimeout(timer),
      };
    },
  };
}
