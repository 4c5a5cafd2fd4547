// A target in memory, for rules: uploads in parts with S3's checks, and failures where a test tells it to.
import { createHash, randomUUID } from "node:crypto";
import type { Readable } from "node:stream";
import { crc64Nvme, crc64Xz } from "../../../lambdas/replication/checksums/crc64.ts";
import type {
  Completion,
  MultipartTarget,
  StoredPart,
  TargetChecksum,
  TargetLimits,
  TargetObject,
  UploadRef,
} from "../../../lambdas/replication/targets/target.ts";
import { anyEtag } from "../../../lambdas/replication/targets/target.ts";
import { CausewayError } from "../../../lambdas/shared/errors.ts";

interface MemoryUpload {
  readonly key: string;
  readonly copyId: string;
  readonly uploadMark: string;
  readonly parts: Map<number, { readonly bytes: Buffer; readonly stored: StoredPart }>;
}

export interface MemoryObject extends TargetObject {
  readonly bytes: Buffer;
}

type Operation = "begin" | "unfinishedUploads" | "putPart" | "listParts" | "complete" | "describe" | "abort";

export class MemoryTarget implements MultipartTarget {
  readonly limits: TargetLimits;
  readonly checksum: TargetChecksum;
  readonly uploads = new Map<string, MemoryUpload>();
  readonly objects = new Map<string, MemoryObject>();
  /** Every call, in order. */
  readonly calls: Operation[] = [];
  /** How many parts arrived at the same time, at most. */
  mostPartsAtOnce = 0;
  /** Called at each operation, before anything is done, with how many of it there were: throws what goes wrong. */
  before: (operation: Operation, count: number) => void | Promise<void> = () => undefined;
  /** Called when the work is done: throws what the caller then sees. */
  after: (operation: Operation, count: number) => void = () => undefined;
  /** What arrives of a part's bytes. */
  onTheWay: (bytes: Buffer, partNumber: number) => Buffer = (bytes) => bytes;
  #partsNow = 0;

  constructor(limits: Partial<TargetLimits> = {}, checksum: TargetChecksum = "crc64Nvme") {
    this.checksum = checksum;
    this.limits = {
      smallestPartBytes: 1,
      largestPartBytes: 5 * 1024 ** 3,
      mostParts: 10_000,
      largestObjectBytes: 10_000 * 5 * 1024 ** 3,
      ...limits,
    };
  }

  async begin(key: string, copyId: string, uploadMark: string): Promise<UploadRef> {
    return this.#doing("begin", () => {
      const uploadId = randomUUID();
      this.uploads.set(uploadId, { key, copyId, uploadMark, parts: new Map() });
      return { key, uploadId };
    });
  }

  async unfinishedUploads(key: string): Promise<UploadRef[]> {
    return this.#doing("unfinishedUploads", () =>
      [...this.uploads].flatMap(([uploadId, upload]) => (upload.key === key ? [{ key, uploadId }] : [])),
    );
  }

  async putPart(
    ref: UploadRef,
    partNumber: number,
    body: Readable,
    bytes: number,
    options: { signal: AbortSignal },
  ): Promise<StoredPart> {
    this.#partsNow += 1;
    this.mostPartsAtOnce = Math.max(this.mostPartsAtOnce, this.#partsNow);
    try {
      const arrived = await this.#doing("putPart", () => receive(body, bytes, options.signal));
      const upload = this.#upload(ref);
      const kept = this.onTheWay(arrived, partNumber);
      const etag = `"${createHash("md5").update(kept).digest("hex")}"`;
      const stored = { partNumber, bytes: kept.length, etag, checksum: this.#checksumOf(kept) };
      upload.parts.set(partNumber, { bytes: kept, stored });
      return stored;
    } finally {
      this.#partsNow -= 1;
    }
  }

  async listParts(ref: UploadRef, firstPart: number, lastPart: number): Promise<StoredPart[]> {
    return this.#doing("listParts", () =>
      [...this.#upload(ref).parts.values()]
        .map(({ stored }) => stored)
        .filter(({ partNumber }) => partNumber >= firstPart && partNumber <= lastPart)
        .sort((left, right) => left.partNumber - right.partNumber),
    );
  }

  async complete(completion: Completion): Promise<void> {
    await this.#doing("complete", () => {
      const upload = this.#upload(completion.ref);
      const present = this.objects.get(upload.key);
      const fits = completion.replacesEtag === anyEtag || (present?.etag ?? null) === completion.replacesEtag;
      if (!fits) throw new CausewayError("TargetExists", "there already");
      const pieces = completion.parts.map((part) => {
        const kept = upload.parts.get(part.partNumber);
        if (kept === undefined || kept.stored.etag !== part.etag) {
          throw new CausewayError("PartsMissing", "InvalidPart");
        }
        return kept.bytes;
      });
      const bytes = Buffer.concat(pieces);
      if (bytes.length !== completion.sizeBytes) throw new CausewayError("TargetRefused", "another size");
      if (this.#checksumOf(bytes) !== completion.checksum) throw new CausewayError("PartDamaged", "BadDigest");
      this.putObject(upload.key, bytes, { copyId: upload.copyId, uploadMark: upload.uploadMark });
      this.uploads.delete(completion.ref.uploadId);
    });
  }

  async describe(key: string): Promise<TargetObject | null> {
    return this.#doing("describe", () => {
      const { bytes: _, ...described } = this.objects.get(key) ?? { bytes: undefined };
      return "key" in described ? described : null;
    });
  }

  async abort(ref: UploadRef): Promise<void> {
    await this.#doing("abort", () => void this.uploads.delete(ref.uploadId));
  }

  /** An object as if somebody had put it there. */
  putObject(key: string, bytes: Buffer, by: { copyId: string | null; uploadMark: string | null }): MemoryObject {
    const etag = `"${createHash("md5").update(bytes).digest("hex")}-${this.calls.length}"`;
    const object = {
      key,
      bytes,
      sizeBytes: bytes.length,
      etag,
      checksum: this.#checksumOf(bytes),
      versionId: etag,
      ...by,
    };
    this.objects.set(key, object);
    return object;
  }

  /** From now on, the next so many calls of this operation fail: before anything is done, or after everything was. */
  fail(operation: Operation, error: Error, options: { times?: number; afterWork?: boolean } = {}): void {
    let left = options.times ?? 1;
    const hook = (called: Operation) => {
      if (called !== operation || left === 0) return;
      left -= 1;
      throw error;
    };
    if (options.afterWork) this.after = hook;
    else this.before = hook;
  }

  async #doing<Result>(operation: Operation, work: () => Result | Promise<Result>): Promise<Result> {
    this.calls.push(operation);
    const count = this.calls.filter((called) => called === operation).length;
    await this.before(operation, count);
    const result = await work();
    this.after(operation, count);
    return result;
  }

  #checksumOf(bytes: Buffer): string {
    return this.checksum === "crc64Xz" ? crc64Of(bytes) : checksumOf(bytes);
  }

  #upload(ref: UploadRef): MemoryUpload {
    const upload = this.uploads.get(ref.uploadId);
    if (upload === undefined) throw new CausewayError("UploadLost", "no such upload");
    return upload;
  }
}

export function checksumOf(bytes: Buffer): string {
  const running = crc64Nvme.start();
  running.update(bytes);
  return crc64Nvme.format(running.digest());
}

function crc64Of(bytes: Buffer): string {
  const running = crc64Xz.start();
  running.update(bytes);
  return crc64Xz.format(running.digest());
}

/** All bytes that were announced; waits for them until the signal, as an HTTP server and its client do. */
export function receive(body: Readable, bytes: number, signal: AbortSignal): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let arrived = 0;
    const giveUp = () => reject(Object.assign(new Error("The operation was aborted."), { name: "AbortError" }));
    if (signal.aborted) giveUp();
    signal.addEventListener("abort", giveUp, { once: true });
    body.on("data", (chunk: Buffer) => {
      chunks.push(Buffer.from(chunk));
      arrived += chunk.length;
      if (arrived === bytes) resolve(Buffer.concat(chunks));
    });
    body.resume();
  });
}
