// A versioned bucket in memory, for the mirror's rules: what S3 holds, and a source that reads its versions.
import { addAbortSignal } from "node:stream";
import { crc64Nvme } from "../../../../lambdas/replication/checksums/crc64.ts";
import type { CurrentObject } from "../../../../lambdas/replication/mirror/mirror-item.ts";
import { parseS3Address } from "../../../../lambdas/replication/s3-address.ts";
import type { RangedSource } from "../../../../lambdas/replication/sources/source.ts";
import { CausewayError } from "../../../../lambdas/shared/errors.ts";
import { streamOf } from "../memory-source.ts";

interface Version extends CurrentObject {
  readonly bytes: Buffer;
}

export const sourceBucket = "backups";

export class MemoryObjects {
  readonly #versions = new Map<string, Version>();
  readonly #current = new Map<string, Version>();
  #count = 0;
  /** Called before a version is read. */
  beforeOpen: (versionId: string) => void | Promise<void> = () => undefined;
  /** What becomes of the bytes on their way. */
  onTheWay: (bytes: Buffer) => Buffer = (bytes) => bytes;

  put(key: string, bytes: Buffer, uploadMark: string | null = null): CurrentObject {
    this.#count += 1;
    const running = crc64Nvme.start();
    running.update(bytes);
    const version: Version = {
      versionId: `v${this.#count}`,
      etag: `"e${this.#count}"`,
      sizeBytes: bytes.length,
      crc64Nvme: crc64Nvme.format(running.digest()),
      uploadMark,
      bytes,
    };
    this.#versions.set(`${key}?${version.versionId}`, version);
    this.#current.set(key, version);
    return version;
  }

  delete(key: string): void {
    this.#current.delete(key);
  }

  /** As a lifecycle does with what was overwritten. */
  drop(key: string, versionId: string): void {
    this.#versions.delete(`${key}?${versionId}`);
  }

  current(key: string): CurrentObject | null {
    return this.#current.get(key) ?? null;
  }

  bytes(key: string): Buffer | undefined {
    return this.#current.get(key)?.bytes;
  }

  get source(): RangedSource {
    return {
      probe: () => Promise.reject(new Error("the mirror pins what HEAD says")),
      open: async (address, range, pinned, signal) => {
        const { key, versionId } = parseS3Address(address);
        await this.beforeOpen(versionId ?? "");
        signal.throwIfAborted();
        const version = this.#versions.get(`${key}?${versionId}`);
        if (version === undefined || version.etag !== pinned.etag) throw new CausewayError("SourceChanged", "gone");
        const stream = streamOf(this.onTheWay(version.bytes.subarray(range.first, range.last + 1)));
        stream.on("error", () => undefined);
        return addAbortSignal(signal, stream);
      },
      close: () => undefined,
    };
  }
}
