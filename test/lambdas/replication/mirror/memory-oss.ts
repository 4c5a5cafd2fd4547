// OSS in memory, for the mirror's rules: uploads in parts, and objects in one go.
import type { Readable } from "node:stream";
import { checkOssKey } from "../../../../lambdas/replication/targets/oss.ts";
import type { TargetLimits, WholeObjectTarget } from "../../../../lambdas/replication/targets/target.ts";
import { MemoryTarget, receive } from "../memory-target.ts";

export class MemoryOss extends MemoryTarget implements WholeObjectTarget {
  /** Objects that were put whole, in their order. */
  readonly puts: { readonly key: string; readonly bytes: Buffer }[] = [];
  /** Called when everything has arrived, before it counts: throws, or waits, as a test wants it. */
  beforePut: (key: string, bytes: Buffer, signal: AbortSignal) => void | Promise<void> = () => undefined;
  afterPut: (key: string) => void = () => undefined;

  constructor(limits: Partial<TargetLimits> = {}) {
    super(limits, "crc64Xz");
  }

  checkKey(key: string): void {
    checkOssKey(key);
  }

  async putWhole(
    key: string,
    body: Readable,
    bytes: number,
    { copyId, uploadMark, signal }: { copyId: string; uploadMark: string; signal: AbortSignal },
  ): Promise<{ etag: string; checksum: string | null }> {
    const arrived = bytes === 0 ? Buffer.alloc(0) : await receive(body, bytes, signal);
    await this.beforePut(key, arrived, signal);
    const { etag, checksum } = this.putObject(key, this.onTheWay(arrived, 0), { copyId, uploadMark });
    this.puts.push({ key, bytes: arrived });
    this.afterPut(key);
    return { etag, checksum };
  }
}
