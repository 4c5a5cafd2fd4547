// `causeway relay settings …`, over the API: by the names that the API has for them.
import type { ApiClient } from "../api/api-client.ts";
import type { AnswerOf } from "../api/operations.ts";
import { sayFacts, sayJson, sayLine } from "../api/output.ts";
import { UsageProblem } from "../usage-problem.ts";
import type { OutputOptions } from "./job-commands.ts";

const path = "/api/relay/settings";

type Settings = AnswerOf<"getRelaySettings">;
type Value = string | number;

const levels = "logLevels.";

export async function showSettings(client: ApiClient, { json }: OutputOptions): Promise<void> {
  const settings = await client.get("getRelaySettings", path);
  if (json) return sayJson(settings);
  sayFacts(flat(settings));
}

/** `stickyMinutes=30`, `logLevels.proxy=DEBUG`, `probeMinutes=default`: the rest stays as it is. */
export async function setSettings(client: ApiClient, given: readonly string[], { json }: OutputOptions): Promise<void> {
  const { data: before, etag } = await client.getTagged("getRelaySettings", path);
  const was = flat(before);
  const wanted: Record<string, Value | undefined> = { ...was };
  for (const text of given) {
    const [name, value] = assignment(text, was);
    wanted[name] = value;
  }
  const settings = await client.put("changeRelaySettings", path, nested(wanted), etag);
  if (json) return sayJson(settings);
  const changed = Object.entries(flat(settings)).filter(([name, value]) => value !== was[name]);
  for (const [name, value] of changed) sayLine(`${name} is ${value} now; it was ${was[name]}.`);
  sayLine(changed.length === 0 ? "Nothing is other than it was." : "In effect within seconds.");
}

/** Undefined: back to its default. */
function assignment(text: string, known: Readonly<Record<string, Value>>): readonly [string, Value | undefined] {
  const [, name = "", value = ""] = /^([^=]+)=(.*)$/s.exec(text) ?? [];
  const before = known[name];
  if (name === "") throw new UsageProblem(`${text}: give a setting, = and its value, such as stickyMinutes=30.`);
  if (before === undefined) {
    throw new UsageProblem(`There is no setting ${name}; there are ${Object.keys(known).join(", ")}.`);
  }
  if (value === "default") return [name, undefined];
  if (typeof before === "string") return [name, value];
  if (/^\d{1,12}$/.test(value)) return [name, Number(value)];
  throw new UsageProblem(`${text}: ${name} takes a whole number, or default; it is ${before} now.`);
}

function flat({ logLevels, ...rest }: Settings): Record<string, Value> {
  const ofLevels = Object.entries(logLevels).map(([category, level]) => [`${levels}${category}`, level]);
  return { ...Object.fromEntries(ofLevels), ...rest };
}

/** What is undefined is left out of what is sent: the API has the default. */
function nested(settings: Readonly<Record<string, Value | undefined>>): Record<string, unknown> {
  const entries = Object.entries(settings);
  return {
    logLevels: Object.fromEntries(
      entries.flatMap(([name, value]) => (name.startsWith(levels) ? [[name.slice(levels.length), value]] : [])),
    ),
    ...Object.fromEntries(entries.filter(([name]) => !name.startsWith(levels))),
  };
}
