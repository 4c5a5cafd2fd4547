// `causeway relay keys top-up`, `adjust` and `balance`, over the API.
import { randomUUID } from "node:crypto";
import type { ApiClient } from "../api/api-client.ts";
import { doOnce } from "../api/do-once.ts";
import { sayJson, sayLine, sayMore, sayTable, shortTime } from "../api/output.ts";
import { dollarsOf, nanoUsdOf } from "../dollars.ts";
import type { OutputOptions } from "./job-commands.ts";
import { pathOf } from "./relay-key-commands.ts";

export async function topUp(
  client: ApiClient,
  keyId: string,
  sum: string,
  { note, key = randomUUID(), json }: OutputOptions & { readonly note?: string; readonly key?: string },
): Promise<void> {
  const body = { kind: "top-up", nanoUsd: nanoUsdOf(sum, "<dollars>"), ...(note !== undefined && { note }) };
  const entry = await doOnce(client, key, () =>
    client.post("changeRelayBalance", pathOf(keyId, "/balance"), body, key),
  );
  if (json) return sayJson(entry);
  sayLine(`${dollarsOf(entry.nanoUsd)} were added; the balance is ${dollarsOf(entry.balanceNanoUsd)}.`);
  await sayWhetherPrepaid(client, keyId);
}

/** A balance that no request needs limits nothing, and looks as if it did. */
async function sayWhetherPrepaid(client: ApiClient, keyId: string): Promise<void> {
  const { policy } = await client.get("getRelayKey", pathOf(keyId));
  if (!policy.prepaid) {
    sayLine(
      `The key is not prepaid: no request needs a balance. To have it need one: relay keys update ${keyId} --prepaid`,
    );
  }
}

/** The API demands a note: a correction without its reason helps nobody who reads the ledger later. */
export async function adjustBalance(
  client: ApiClient,
  keyId: string,
  sum: string,
  { note, key = randomUUID(), json }: OutputOptions & { readonly note: string; readonly key?: string },
): Promise<void> {
  const body = { kind: "adjustment", nanoUsd: nanoUsdOf(sum, "<dollars>"), note };
  const entry = await doOnce(client, key, () =>
    client.post("changeRelayBalance", pathOf(keyId, "/balance"), body, key),
  );
  if (json) return sayJson(entry);
  sayLine(`It was changed by ${dollarsOf(entry.nanoUsd)}; the balance is ${dollarsOf(entry.balanceNanoUsd)}.`);
  await sayWhetherPrepaid(client, keyId);
}

export async function listBalance(
  client: ApiClient,
  keyId: string,
  { limit, json }: OutputOptions & { readonly limit: number },
): Promise<void> {
  const path = pathOf(keyId, "/balance");
  const [{ items, hasMore }, { balanceNanoUsd }] = await Promise.all([
    client.list("listRelayBalance", path, {}, limit),
    client.get("listRelayBalance", path, { limit: 1 }),
  ]);
  if (json) return sayJson({ balanceNanoUsd, items, hasMore });
  sayTable(
    [
      { title: "when", text: ({ at }) => shortTime(at) },
      { title: "what", text: ({ kind }) => kind },
      { title: "dollars", text: ({ nanoUsd }) => dollarsOf(nanoUsd), align: "right" },
      { title: "by", text: ({ by }) => by },
      { title: "note", text: ({ note }) => note, tooLong: "wrap" },
    ],
    items,
    "Nothing has been added to this balance, or taken off, since the key was made.",
  );
  sayMore(hasMore, items.length);
  sayLine("");
  sayLine(balanceNanoUsd === null ? "The key is not prepaid." : `The balance is ${dollarsOf(balanceNanoUsd)} now.`);
}
