// Mirror key: under the key's lease, the current version is brought to OSS, and looked at again before the lease is let go.
import { CausewayError } from "../../shared/errors.ts";
import type { EventDetail } from "../../shared/events.ts";
import type { MirrorStore } from "../mirror.store.ts";
import type { TargetObject } from "../targets/target.ts";
import { type CopySmallPorts, copySmall, isGone } from "./copy-small.ts";
import { type Mapping, targetKeyOf } from "./mappings.ts";
import {
  type CurrentObject,
  isMirrored,
  isToldAlready,
  type MirroredVersion,
  type MirrorItem,
  type MirrorRun,
  mirrorFailureOf,
} from "./mirror-item.ts";
import {
  type MirrorPlaces,
  type MirrorReceiptPorts,
  readCopyProof,
  recordMirrorReceipt,
} from "./record-mirror-receipt.ts";

export interface MirrorSettings extends MirrorPlaces {
  readonly mappings: readonly Mapping[];
  /** From this size on an object is left to the workflow. */
  readonly largeObjectBytes: number;
}

export interface KeyWish {
  readonly sourceKey: string;
  /** RFC 3339: when the object came into S3, as far as is known. */
  readonly since?: string | undefined;
  /** What the item says is in OSS is not believed: it is put there once more. */
  readonly again?: boolean | undefined;
  /** Nobody tries after this: a failure is told even if it may pass. */
  readonly isLastAttempt: boolean;
}

export interface MirrorKeyPorts extends CopySmallPorts, MirrorReceiptPorts {
  readonly settings: MirrorSettings;
  readonly mirror: Pick<MirrorStore, "take" | "settle" | "giveBack">;
  readonly events: MirrorEvents;
  current(sourceKey: string): Promise<CurrentObject | null>;
  /** Starts the workflow for a large version, or finds it started. */
  startRun(current: CurrentObject, item: MirrorItem, again: boolean): Promise<MirrorRun>;
  newHolder(): string;
  /** Until when this invocation can at most write, in milliseconds since 1970. */
  lastWriteAt(): number;
  /** AWS's errors by their names, which tell whether they pass. */
  nameError(error: unknown): CausewayError;
  /** The lease could not be given back: it ends by itself. */
  onLost(error: unknown): void;
}

export interface MirrorEvents {
  mirrored(detail: EventDetail<"ObjectMirrored">): Promise<void>;
  failed(detail: EventDetail<"MirrorFailed">): Promise<void>;
}

export interface MirrorOutcome {
  readonly sourceKey: string;
  readonly outcome:
    | "mirrored"
    /** The current version was in OSS before. */
    | "already-mirrored"
    /** S3 holds nothing there; OSS keeps what it has. */
    | "kept-deleted"
    /** Somebody else works on the key, and will see the wish before letting go. */
    | "left-to-holder"
    | "workflow-started"
    /** OSS cannot hold such a key. */
    | "refused"
    | "not-mapped";
  readonly targetKey?: string;
  readonly mirrored?: MirroredVersion;
}

/** Versions that may come while others are mirrored, in one invocation. A key that changes faster waits for the next. */
const mostRounds = 6;

/** How much longer than its holder can write a lease lasts: what was sent at the last moment has arrived by then, and clocks differ. */
export const leaseMarginMilliseconds = 120_000;

/**
 * Throws what source and target throw, `StillWorking` when the key changes faster than it is mirrored, `MirrorLeaseLost`.
 * The lease is given back before anything is thrown, and the key goes on waiting. `signal` ends writing.
 */
export async function mirrorKey(wish: KeyWish, ports: MirrorKeyPorts, signal: AbortSignal): Promise<MirrorOutcome> {
  const { sourceKey } = wish;
  const targetKey = targetKeyOf(sourceKey, ports.settings.mappings);
  if (targetKey === undefined) return { sourceKey, outcome: "not-mapped" };
  const now = new Date(ports.now()).toISOString();
  const held = await ports.mirror.take({
    sourceKey,
    targetKey,
    holder: ports.newHolder(),
    since: wish.since !== undefined && wish.since < now ? wish.since : now,
    now,
    expiresAt: new Date(ports.lastWriteAt() + leaseMarginMilliseconds).toISOString(),
  });
  if (held === undefined) return { sourceKey, targetKey, outcome: "left-to-holder" };
  const work = new KeyWork(held, wish.again ?? false, ports, signal);
  try {
    return await work.run();
  } catch (thrown) {
    const error = ports.nameError(thrown);
    await work.fail(error, wish.isLastAttempt);
    throw error;
  }
}

/** One holder's work on one key. */
class KeyWork {
  #item: MirrorItem;
  readonly #ports: MirrorKeyPorts;
  readonly #signal: AbortSignal;
  #again: boolean;
  /** What this holder has put, and has not yet seen in OSS. */
  #unseen: MirroredVersion | undefined;
  #outcome: MirrorOutcome["outcome"] = "already-mirrored";
  /** The version that was looked at last. */
  #versionId: string | null = null;
  #isAnnounced = false;

  constructor(held: MirrorItem, again: boolean, ports: MirrorKeyPorts, signal: AbortSignal) {
    this.#item = held;
    this.#again = again;
    this.#ports = ports;
    this.#signal = signal;
  }

  async run(): Promise<MirrorOutcome> {
    const { current: look, mirror, now } = this.#ports;
    const { sourceKey, targetKey } = this.#item;
    const refusal = refusalOf(targetKey, this.#ports);
    if (refusal !== undefined) return this.#refuse(refusal);
    for (let round = 0; round < mostRounds; round += 1) {
      this.#signal.throwIfAborted();
      const [current, present] = await Promise.all([
        look(sourceKey),
        this.#unseen === undefined ? undefined : this.#ports.target.describe(targetKey),
      ]);
      this.#versionId = current?.versionId ?? null;
      if (this.#unseen !== undefined && !isThere(this.#unseen, present)) this.#again = true;
      this.#unseen = undefined;
      if (current !== null && (this.#again || !isMirrored(this.#item.mirrored, current))) {
        if (current.sizeBytes >= this.#ports.settings.largeObjectBytes) return this.#leaveToWorkflow(current);
        await this.#put(current);
        continue;
      }
      const { upload } = this.#item;
      // Of a workflow that was stopped or ran out of time: settling forgets it, and OSS would keep its parts for ever.
      if (upload !== undefined) await this.#ports.target.abort(upload);
      const mirrored = current === null ? this.#item.mirrored : await this.#withReceipt(current);
      const newer = await mirror.settle(this.#item, {
        wanted: this.#item.wanted,
        mirrored,
        deletedAt: current === null ? new Date(now()).toISOString() : undefined,
      });
      if (newer === undefined) {
        const outcome = current === null ? "kept-deleted" : this.#outcome;
        return { sourceKey, targetKey, outcome, ...(mirrored === undefined ? {} : { mirrored }) };
      }
      this.#item = mirrored === undefined ? newer : { ...newer, mirrored };
    }
    throw new CausewayError("StillWorking", `${sourceKey} changes faster than it is mirrored.`);
  }

  async #put(current: CurrentObject): Promise<void> {
    const copy = await readCopyProof(this.#item.sourceKey, current, this.#ports);
    try {
      const proven = { copyCrc64: copy?.crc64 ?? null };
      this.#unseen = await copySmall(current, this.#item, proven, this.#ports, this.#signal);
    } catch (error) {
      // Replaced or deleted since it was looked at: the next round sees what is there now.
      if (isGone(error)) return;
      throw error;
    }
    this.#again = false;
    this.#isAnnounced = false;
    this.#outcome = "mirrored";
    this.#item = { ...this.#item, mirrored: this.#unseen };
  }

  /** The mirrored version as it is to be kept: a copy of a backup with the receipt that it has by now. */
  async #withReceipt(current: CurrentObject): Promise<MirroredVersion | undefined> {
    const { mirrored } = this.#item;
    if (mirrored === undefined) return undefined;
    const receiptKey = mirrored.receiptKey ?? (await this.#recordReceipt(current, mirrored));
    if (this.#outcome === "mirrored" && !this.#isAnnounced) {
      const { sourceKey, targetKey } = this.#item;
      const { versionId, bytes, crc64 } = mirrored;
      // Before the lease is let go: whoever dies in between tells it twice rather than never.
      await this.#ports.events.mirrored({ sourceKey, versionId, targetKey, bytes, crc64, receiptKey });
      this.#isAnnounced = true;
    }
    return { ...mirrored, receiptKey };
  }

  async #recordReceipt(current: CurrentObject, mirrored: MirroredVersion): Promise<string | null> {
    const copy = await readCopyProof(this.#item.sourceKey, current, this.#ports);
    if (copy === null) return null;
    return recordMirrorReceipt(this.#item, current, mirrored, copy, this.#ports.settings, this.#ports);
  }

  async #leaveToWorkflow(current: CurrentObject): Promise<MirrorOutcome> {
    const { sourceKey, targetKey, mirrored } = this.#item;
    const run = await this.#ports.startRun(current, this.#item, this.#again);
    // The workflow takes the lease itself; until it has it, the item waits, and the check for lag looks after it.
    await this.#ports.mirror.giveBack(this.#item, { run, mirrored });
    return { sourceKey, targetKey, outcome: "workflow-started" };
  }

  /** The key stays as it is for ever: it waits no longer, and somebody is told. */
  async #refuse(error: CausewayError): Promise<MirrorOutcome> {
    const { sourceKey, targetKey, lastError: before } = this.#item;
    const told = isToldAlready(before, error, this.#ports.now());
    if (!told) await this.#tell(error);
    for (let round = 0; round < mostRounds; round += 1) {
      const newer = await this.#ports.mirror.settle(this.#item, {
        wanted: this.#item.wanted,
        lastError: told ? before : mirrorFailureOf(error, this.#ports.now(), true),
      });
      if (newer === undefined) return { sourceKey, targetKey, outcome: "refused" };
      this.#item = newer;
    }
    throw error;
  }

  /** Gives the lease back and keeps the reason. What goes wrong meanwhile must not hide it: the lease ends by itself. */
  async fail(error: CausewayError, isLastAttempt: boolean): Promise<void> {
    const { now, mirror } = this.#ports;
    const isFinal = isLastAttempt || !error.retryable;
    const before = this.#item.lastError;
    try {
      const told = isToldAlready(before, error, now());
      if (isFinal && !told) await this.#tell(error);
      await mirror.giveBack(this.#item, { lastError: told ? before : mirrorFailureOf(error, now(), isFinal) });
    } catch (second) {
      this.#ports.onLost(second);
    }
  }

  async #tell(error: Error): Promise<void> {
    const { sourceKey, targetKey } = this.#item;
    const versionId = this.#versionId;
    await this.#ports.events.failed({ sourceKey, versionId, targetKey, error: error.name, cause: error.message });
  }
}

/** What lies in OSS has the bytes that were put, whoever put them. */
function isThere(put: MirroredVersion, present: TargetObject | null | undefined): boolean {
  if (present === null || present === undefined || present.sizeBytes !== put.bytes) return false;
  return present.checksum === null || present.checksum === put.crc64;
}

function refusalOf(targetKey: string, { target }: Pick<MirrorKeyPorts, "target">): CausewayError | undefined {
  try {
    target.checkKey(targetKey);
    return undefined;
  } catch (error) {
    if (error instanceof CausewayError && !error.retryable) return error;
    throw error;
  }
}
