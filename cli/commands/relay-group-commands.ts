// `causeway relay groups …`, over the API.
import type { ApiClient } from "../api/api-client.ts";
import type { AnswerOf } from "../api/operations.ts";
import { sayFacts, sayJson, sayLine, sayTable } from "../api/output.ts";
import { UsageProblem } from "../usage-problem.ts";
import type { OutputOptions } from "./job-commands.ts";

const base = "/api/relay/groups";

/** Nothing, as of a variable that is not set, would be the address of the list. */
function pathOf(name: string): string {
  if (name.trim() === "") throw new UsageProblem("Which group? Give its name: relay groups list shows it.");
  return `${base}/${encodeURIComponent(name)}`;
}

type GroupView = AnswerOf<"listRelayGroups">["items"][number];

export async function listGroups(client: ApiClient, { json }: OutputOptions): Promise<void> {
  const { items } = await client.get("listRelayGroups", base);
  if (json) return sayJson({ items });
  sayTable(
    [
      { title: "group", text: ({ group }) => group },
      { title: "algorithm", text: ({ algorithm }) => algorithm ?? "as the settings say" },
      { title: "accounts", text: namesIn, tooLong: "wrap" },
      { title: "description", text: ({ description }) => description, tooLong: "wrap" },
    ],
    items,
    "There are no groups. To put an account into one: npx causeway relay accounts update ACCOUNT --group NAME",
  );
}

/** Makes it where there is none; else changes what is given, and leaves the rest. */
export async function setGroup(
  client: ApiClient,
  name: string,
  { algorithm, description, json }: OutputOptions & { readonly algorithm?: string; readonly description?: string },
): Promise<void> {
  const { items } = await client.get("listRelayGroups", base);
  const before = items.find(({ group }) => group === name);
  if (before !== undefined && algorithm === undefined && description === undefined) {
    throw new UsageProblem(`There is a group ${name} already. Say what to change: --algorithm or --description.`);
  }
  const body = {
    algorithm: algorithm === "none" ? null : (algorithm ?? before?.algorithm ?? null),
    description: description ?? before?.description ?? "",
  };
  const group = await client.put("putRelayGroup", pathOf(name), body);
  if (json) return sayJson(group);
  sayFacts({
    group: group.group,
    algorithm: group.algorithm ?? "as the settings say",
    description: group.description || undefined,
    accounts: namesIn(group) || "none yet: npx causeway relay accounts update ACCOUNT --group NAME",
  });
}

export async function deleteGroup(client: ApiClient, name: string, { json }: OutputOptions): Promise<void> {
  const removed = await client.delete("deleteRelayGroup", pathOf(name));
  if (json) return sayJson(removed);
  sayLine(`The group ${removed.group} is deleted. A key that is bound to it is refused until it is bound to another.`);
}

const namesIn = ({ accounts }: GroupView) => accounts.map(({ name }) => name).join(", ");
