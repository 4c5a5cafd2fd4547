// The port for what is read: ranged reads of one unchanging object, at an address that may expire.
import type { Readable } from "node:stream";
import type { ByteRange } from "../plan-parts.ts";

/** What is known of the object before it is copied, pinned for the whole copy. */
export interface SourceFacts {
  readonly sizeBytes: number;
  /** As sent, with its quotes; null where the source sends none. */
  readonly etag: string | null;
  /** CRC-64/XZ of the whole object as unsigned decimal text; null where the source sends none. */
  readonly crc64: string | null;
}

/**
 * Errors of every adapter (CausewayError): `LinkExpired`, `SourceChanged` (the ETag differs), `SourceIgnoresRanges`
 * (an answer other than the range asked for), `SourceThrottled`, `SourceUnavailable`, `SourceRefused`, `EmptyBackup`.
 */
export interface RangedSource {
  /** Reads one byte to learn size, ETag and CRC. Works where HEAD is refused, as with links signed for GET. */
  probe(address: string, signal?: AbortSignal): Promise<SourceFacts>;
  /**
   * Opens exactly this range of exactly this object: status, range and length of the answer were checked before the
   * first byte is handed out. The stream fails when it ends early. Destroying it closes the connection.
   */
  open(address: string, range: ByteRange, pinned: SourceFacts, signal: AbortSignal): Promise<Readable>;
  close(): void;
}
