// `causeway relay usage`, `usage export`, `records` and `me`, over the API.
import type { ApiClient } from "../api/api-client.ts";
import { ApiProblem } from "../api/api-problem.ts";
import type { AnswerOf } from "../api/operations.ts";
import { sayFacts, sayJson, sayLine, sayMore, sayTable, shortTime, type TableColumn } from "../api/output.ts";
import { dollarsOf } from "../dollars.ts";
import { timeOf } from "../time-option.ts";
import { UsageProblem } from "../usage-problem.ts";
import { type OutputOptions, presentStarted, type WaitOptions } from "./job-commands.ts";
import { accountIdOf } from "./relay-account-commands.ts";
import { readSecret } from "./relay-credential.ts";
import { pathOf as pathOfKey, sayLimits } from "./relay-key-commands.ts";

interface WindowOptions {
  readonly from?: string;
  readonly to?: string;
}

interface Filters {
  readonly onlyKey?: string;
  readonly onlyAccount?: string;
  readonly onlyModel?: string;
}

export interface UsageOptions extends OutputOptions, WindowOptions, Filters {
  readonly by: string;
  readonly csv: boolean;
}

export interface RecordsOptions extends OutputOptions, WindowOptions, Filters {
  readonly outcome?: string;
  readonly limit: number;
}

export interface ExportOptions {
  readonly from: string;
  readonly to?: string;
  readonly format: string;
  readonly key?: string;
}

export interface OwnOptions extends OutputOptions, WindowOptions {
  readonly keyFromEnv?: string;
  readonly keyFromFile?: string;
}

type Row = Partial<AnswerOf<"getRelayUsage">["rows"][number]> & AnswerOf<"getOwnRelayUsage">["rows"][number];

const standardWindowMilliseconds = 30 * 24 * 3_600_000;
/** Of more keys the rest go by their ids alone. */
const mostNamed = 1000;
/** More than these the API sums up in the last line of a CSV table. */
const mostGroups = 5000;
const ownVariable = "CAUSEWAY_RELAY_KEY";

export async function showUsage(client: ApiClient, options: UsageOptions): Promise<void> {
  const { by, csv, json } = options;
  if (csv && json) throw new UsageProblem("Give --csv or --json, not both.");
  const query = { ...windowOf(options), groupBy: by, ...(await filterOf(client, options)) };
  if (csv) {
    const table = await client.getText("exportRelayUsageTable", "/api/relay/usage.csv", query);
    process.stdout.write(table);
    const groups = table.trimEnd().split("\r\n").slice(1);
    // Beside the table, which a program reads. A group of few may be called (other) as well: models beyond a key's hundred.
    if (groups.length > mostGroups && groups.at(-1)?.startsWith("(other),")) {
      process.stderr.write(`${cutSentence(mostGroups)} The sum of the others is the last line, (other).\n`);
    }
    return;
  }
  const { rows, total, groupBy, ...window } = await client.get("getRelayUsage", "/api/relay/usage", query);
  if (json) return sayJson({ ...window, groupBy, rows, total });
  sayUsage(rows, total, groupBy, await namesOf(client, rows));
  if (window.isCut) sayLine(cutSentence(rows.length));
}

/** People know keys and accounts by names; the ids are what other commands take. */
async function namesOf(client: ApiClient, rows: readonly Row[]): Promise<ReadonlyMap<string, string>> {
  const names = new Map<string, string>();
  if (rows.some(({ account }) => account !== undefined)) {
    const { items } = await client.list("listRelayAccounts", "/api/relay/accounts", {}, mostNamed);
    for (const { accountId, name } of items) names.set(accountId, name);
  }
  if (rows.some(({ key }) => key !== undefined)) {
    for (const deleted of [undefined, true]) {
      const { items } = await client.list("listRelayKeys", "/api/relay/keys", { deleted }, mostNamed);
      for (const { keyId, name } of items) names.set(keyId, name);
    }
  }
  return names;
}

/** Single requests, refused ones too: what a holder of a key asks about. */
export async function listRecords(client: ApiClient, options: RecordsOptions): Promise<void> {
  const { from, to, outcome, limit, json } = options;
  const window = {
    from: from === undefined ? undefined : timeOf(from, "--from"),
    to: to === undefined ? undefined : timeOf(to, "--to"),
  };
  const query = { ...window, outcome, ...(await filterOf(client, options)) };
  const { items, hasMore } = await client.list("listRelayRecords", "/api/relay/records", query, limit);
  if (json) return sayJson({ items, hasMore });
  sayTable(
    [
      { title: "when", text: ({ startedAt }) => shortTime(startedAt) },
      { title: "request", text: ({ requestId }) => requestId },
      { title: "key", text: ({ keyId }) => keyId },
      { title: "model", text: ({ modelAsked }) => modelAsked || "(none)", tooLong: "middle" },
      { title: "status", text: ({ status }) => status, align: "right" },
      { title: "outcome", text: ({ outcome: end, reason }) => (reason === "" ? end : `${end}: ${reason}`) },
      { title: "input", text: ({ usage }) => usage.inputTokens, align: "right" },
      { title: "output", text: ({ usage }) => usage.outputTokens, align: "right" },
      { title: "charged", text: ({ chargedNanoUsd }) => dollarsOf(chargedNanoUsd), align: "right" },
      { title: "client", text: ({ client: program }) => program, tooLong: "middle" },
    ],
    items,
    "There are no such requests in this time; without --from it is the last day.",
  );
  sayMore(hasMore, items.length);
}

export async function showMe(client: ApiClient, options: OwnOptions): Promise<void> {
  const { keyFromEnv, keyFromFile, json } = options;
  const env = keyFromEnv ?? (keyFromFile === undefined && process.env[ownVariable] ? ownVariable : undefined);
  const key = await readSecret({ env, file: keyFromFile }, ["--key-from-env", "--key-from-file"], false);
  if (key === undefined) {
    throw new UsageProblem(
      `Whose? Set ${ownVariable} to the key, or give --key-from-env NAME or --key-from-file FILE.`,
    );
  }
  const query = { ...windowOf(options), groupBy: "model" };
  const [own, used] = await Promise.all([
    client.getByKey("getOwnRelayKey", "/api/relay/me", key),
    client.getByKey("getOwnRelayUsage", "/api/relay/me/usage", key, query),
  ]).catch((error: unknown) => {
    // Nobody has to sign in: it is the key that is refused.
    if (error instanceof ApiProblem && (error.status === 401 || error.status === 403))
      throw new UsageProblem(error.message);
    throw error;
  });
  if (json) return sayJson({ ...own, usage: used });
  sayFacts({
    key: own.maskedKey,
    name: own.name,
    expires: own.expiresAt
      ? shortTime(own.expiresAt)
      : own.daysFromFirstUse && `${own.daysFromFirstUse} days after its first request`,
    platforms: own.platforms.join(", "),
    models: own.models.join(", ") || "all",
    balance: own.balanceNanoUsd === null ? undefined : dollarsOf(own.balanceNanoUsd),
    "time zone": own.timeZone,
    running: own.streams,
  });
  sayLine("");
  sayLimits(own.limits);
  sayLine("");
  sayUsage(used.rows, used.total, ["model"], new Map());
  if (used.isCut) sayLine(cutSentence(used.rows.length));
}

/** Of the rows alone: the total is of all. */
function cutSentence(shown: number): string {
  return `There are more groups than these ${shown}; the total is of all. A shorter time, one dimension less or --only-… shows them whole.`;
}

/** Returns the exit code. */
export async function exportUsage(
  client: ApiClient,
  { from, to, format, key, ...output }: WaitOptions & ExportOptions,
): Promise<number> {
  const body = {
    from: timeOf(from, "--from"),
    to: to === undefined ? new Date().toISOString() : timeOf(to, "--to"),
    format,
  };
  return presentStarted(client, await client.post("exportRelayUsage", "/api/relay/usage/export", body, key), output);
}

function sayUsage(
  rows: readonly Row[],
  total: Row,
  groupBy: readonly (keyof Row)[],
  names: ReadonlyMap<string, string>,
): void {
  const groups = groupBy.flatMap((dimension): TableColumn<Row>[] => {
    const last = dimension === groupBy[0] ? "in all" : "";
    const id = (row: Row) => (row === total ? last : named(row[dimension], dimension));
    const column = { title: dimension, text: id, tooLong: "middle" as const };
    if (dimension !== "key" && dimension !== "account") return [column];
    return [column, { title: "name", text: (row) => names.get(row[dimension] ?? "") ?? "", tooLong: "middle" }];
  });
  const figures: TableColumn<Row>[] = [
    { title: "requests", text: ({ requests }) => requests, align: "right" },
    { title: "refused", text: ({ refused }) => refused, align: "right" },
    { title: "failed", text: ({ failed }) => failed, align: "right" },
    { title: "input", text: ({ inputTokens }) => inputTokens, align: "right" },
    { title: "cache written", text: (row) => row.cacheWrite5mTokens + row.cacheWrite1hTokens, align: "right" },
    { title: "cache read", text: ({ cacheReadTokens }) => cacheReadTokens, align: "right" },
    { title: "output", text: ({ outputTokens }) => outputTokens, align: "right" },
    { title: "charged", text: ({ chargedNanoUsd }) => dollarsOf(chargedNanoUsd), align: "right" },
  ];
  // Beside the charge where a multiplier or a mapping makes them two things; it is none of a key holder's business.
  const { realNanoUsd } = total;
  if (realNanoUsd !== undefined && realNanoUsd !== total.chargedNanoUsd) {
    figures.push({ title: "real cost", text: (row) => dollarsOf(row.realNanoUsd ?? 0), align: "right" });
  }
  sayTable([...groups, ...figures], rows.length === 0 ? [] : [...rows, total], "Nothing was used in this time.");
}

/** Times are whole hours, days and months; a request that was refused before it named one has no model or account. */
function named(value: string | number | undefined, dimension: keyof Row): string {
  if (value === undefined || value === "") return "(none)";
  const text = String(value);
  if (dimension === "hour") return shortTime(text);
  return dimension === "day" ? text.slice(0, 10) : dimension === "month" ? text.slice(0, 7) : text;
}

/** Who mistypes one is told so, instead of that nothing was used. */
async function filterOf(client: ApiClient, { onlyKey, onlyAccount, onlyModel }: Filters) {
  if (onlyKey !== undefined) await client.get("getRelayKey", pathOfKey(onlyKey));
  const accountId = onlyAccount === undefined ? undefined : await accountIdOf(client, onlyAccount);
  return { keyId: onlyKey, accountId, model: onlyModel };
}

function windowOf({ from, to }: WindowOptions): { from: string; to: string | undefined } {
  const end = to === undefined ? undefined : timeOf(to, "--to");
  const standard = () => new Date((end === undefined ? Date.now() : Date.parse(end)) - standardWindowMilliseconds);
  return { from: from === undefined ? standard().toISOString() : timeOf(from, "--from"), to: end };
}
