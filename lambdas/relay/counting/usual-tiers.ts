// Usual tiers: the service tiers in which accounts serve what names none, as the settings of their projects say at the vendor.
import type { Platform } from "../platform.ts";
import { servesModel } from "../scheduling/serves-model.ts";
import type { Snapshot } from "../scheduling/snapshot.ts";

/** Of all accounts that may come to serve the model; most say nothing, and give the listed one. */
export function usualTiersOf({ accounts }: Pick<Snapshot, "accounts">, platform: Platform, model: string): string[] {
  const tiers = accounts.flatMap(({ account }) => {
    const { usualTier } = account.settings;
    if (typeof usualTier !== "string" || account.platform !== platform || !account.schedulable) return [];
    return servesModel(account, model) === "no" ? [] : [usualTier];
  });
  return [...new Set(tiers)];
}
