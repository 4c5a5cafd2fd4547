// Refresh link: ask the inventory anew, and take the new address only when it leads to the very same object.
import { CausewayError } from "../shared/errors.ts";
import { type Copy, type CopyFailure, failureOf, type SourceLink } from "./copy.ts";
import type { BackupInventory } from "./inventories/inventory.ts";
import type { RangedSource } from "./sources/source.ts";

export interface RefreshLinkPorts {
  readonly inventory: BackupInventory;
  readonly source: RangedSource;
  readonly copies: {
    read(copyId: string): Promise<Copy | undefined>;
    keepLink(copyId: string, executionArn: string, link: SourceLink): Promise<void>;
    noteError(copyId: string, failure: CopyFailure): Promise<void>;
  };
  now(): number;
}

/** Refreshes, and keeps the reason where it cannot: the map above learns only that some child failed. */
export async function refreshAndNote(
  input: { copyId: string; executionArn: string; expiredLinkVersion: number },
  ports: RefreshLinkPorts,
): Promise<{ linkVersion: number }> {
  try {
    return await refreshLink(input, ports);
  } catch (error) {
    if (error instanceof Error) {
      await ports.copies.noteError(input.copyId, failureOf(error, input.executionArn, ports.now()));
    }
    throw error;
  }
}

/** Throws `SourceChanged` when size, ETag or CRC behind the new address differ from the pinned ones. */
async function refreshLink(
  input: { copyId: string; executionArn: string; expiredLinkVersion: number },
  ports: RefreshLinkPorts,
): Promise<{ linkVersion: number }> {
  const copy = await ports.copies.read(input.copyId);
  if (copy?.plan === undefined || copy.claim?.executionArn !== input.executionArn) {
    throw new CausewayError("ClaimLost", `Another execution holds ${input.copyId} now.`);
  }
  const present = copy.link?.version ?? 0;
  // Another worker met the expiry first and has a new one already.
  if (present > input.expiredLinkVersion) return { linkVersion: present };
  const located = await ports.inventory.locate(copy.backup);
  const facts = await ports.source.probe(located.address, AbortSignal.timeout(60_000));
  const pinned = copy.plan.sourceFacts;
  if (facts.sizeBytes !== pinned.sizeBytes || facts.etag !== pinned.etag || facts.crc64 !== pinned.crc64) {
    throw new CausewayError(
      "SourceChanged",
      `Behind the new link are ${facts.sizeBytes} bytes with ETag ${facts.etag}; planned were ${pinned.sizeBytes} with ${pinned.etag}.`,
    );
  }
  const version = present + 1;
  await ports.copies.keepLink(input.copyId, input.executionArn, {
    address: located.address,
    expiresAt: located.addressExpiresAt,
    version,
  });
  return { linkVersion: version };
}
