// Whether an account serves a model: by name, because it serves all, or not.
import { matchesModel } from "../model-pattern.ts";
import type { Account } from "./account.ts";

/** `model` empty (a list of models, for example): every account does. */
export function servesModel({ models, modelMapping }: Account, model: string): "named" | "all" | "no" {
  if (model === "") return "all";
  if (matchesModel(models, model) || matchesModel(Object.keys(modelMapping), model)) return "named";
  return models.length === 0 ? "all" : "no";
}
