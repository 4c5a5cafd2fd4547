// A receipt's file for whoever asks: the document unchanged, and the digest by which others point at it.
import { sha256Of } from "../receipt.ts";

/** The text of a receipt; undefined when there is none. */
export type ReadReceipt = (key: string) => Promise<string | undefined>;

export interface ShownReceipt {
  readonly key: string;
  readonly sha256: string;
  readonly document: Record<string, unknown>;
}

/** Null where there is none (yet). Throws what JSON.parse throws: what is in the bucket is written by us alone. */
export async function readReceipt(key: string | undefined, read: ReadReceipt): Promise<ShownReceipt | null> {
  const text = key === undefined ? undefined : await read(key);
  if (key === undefined || text === undefined) return null;
  return { key, sha256: sha256Of(text), document: JSON.parse(text) as Record<string, unknown> };
}
