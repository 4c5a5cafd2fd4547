// `causeway relay usage`, `prices list` and `me`, over the API.
import type { ApiClient } from "../api/api-client.ts";
import { ApiProblem } from "../api/api-problem.ts";
import type { AnswerOf } from "../api/operations.ts";
import { sayFacts, sayJson, sayLine, sayTable, shortTime, type TableColumn } from "../api/output.ts";
import { dollarsOf } from "../dollars.ts";
import { UsageProblem } from "../usage-problem.ts";
import type { OutputOptions } from "./job-commands.ts";
import { readSecret } from "./relay-credential.ts";
import { sayLimits } from "./relay-key-commands.ts";
import { timeOf } from "./relay-key-policy.ts";

interface WindowOptions {
  readonly from?: string;
  readonly to?: string;
}

export interface UsageOptions extends OutputOptions, WindowOptions {
  readonly by: string;
  readonly onlyKey?: string;
  readonly onlyAccount?: string;
  readonly onlyModel?: string;
  readonly csv: boolean;
}

export interface OwnOptions extends OutputOptions, WindowOptions {
  readonly keyFromEnv: string;
  readonly keyFromFile?: string;
}

type Row = Partial<AnswerOf<"getRelayUsage">["rows"][number]> & AnswerOf<"getOwnRelayUsage">["rows"][number];

const standardWindowMilliseconds = 30 * 24 * 3_600_000;

export async function showUsage(client: ApiClient, options: UsageOptions): Promise<void> {
  const { by, onlyKey, onlyAccount, onlyModel, csv, json } = options;
  const filter = { keyId: onlyKey, accountId: onlyAccount, model: onlyModel };
  const query = { ...windowOf(options), groupBy: by, ...filter };
  if (csv) {
    if (json) throw new UsageProblem("Give --csv or --json, not both.");
    process.stdout.write(await client.getText("exportRelayUsageTable", "/api/relay/usage.csv", query));
    return;
  }
  const { rows, total, groupBy, ...window } = await client.get("getRelayUsage", "/api/relay/usage", query);
  if (json) return sayJson({ ...window, groupBy, rows, total });
  sayUsage(rows, total, groupBy);
}

export async function listPrices(
  client: ApiClient,
  { model, json }: OutputOptions & { readonly model?: string },
): Promise<void> {
  const { items } = await client.get("listRelayPrices", "/api/relay/prices", { model });
  if (json) return sayJson({ items });
  sayTable(
    [
      { title: "model", text: (price) => price.model },
      { title: "family", text: ({ family }) => family },
      { title: "input", text: ({ rates }) => dollarsOf(rates.input), align: "right" },
      { title: "output", text: ({ rates }) => dollarsOf(rates.output), align: "right" },
      { title: "cache write", text: ({ rates }) => dollarsOf(rates.cacheWrite5m), align: "right" },
      { title: "cache read", text: ({ rates }) => dollarsOf(rates.cacheRead), align: "right" },
      { title: "from", text: ({ effectiveFrom }) => effectiveFrom.slice(0, 10) },
      {
        title: "source",
        text: ({ origin, source }) => `${origin === "override" ? "override: " : ""}${source}`,
        tooLong: "wrap",
      },
    ],
    items,
    model === undefined
      ? "There are no prices."
      : `${model} has no price: a key without a ceiling for such models is refused.`,
  );
  if (items.length > 0) sayLine("Dollars per million tokens.");
}

export async function showMe(client: ApiClient, options: OwnOptions): Promise<void> {
  const { keyFromEnv, keyFromFile, json } = options;
  const asked = { env: keyFromFile === undefined ? keyFromEnv : undefined, file: keyFromFile };
  const key = await readSecret(asked, ["--key-from-env", "--key-from-file"], false);
  if (key === undefined) throw new UsageProblem("Whose? Give --key-from-env or --key-from-file.");
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
  sayUsage(used.rows, used.total, ["model"]);
}

function sayUsage(rows: readonly Row[], total: Row, groupBy: readonly (keyof Row)[]): void {
  const names = groupBy.map((dimension) => ({
    title: dimension,
    text: (row: Row) => (row === total ? (dimension === groupBy[0] ? "in all" : "") : row[dimension]),
    tooLong: "middle" as const,
  }));
  const figures: readonly TableColumn<Row>[] = [
    { title: "requests", text: ({ requests }) => requests, align: "right" },
    { title: "refused", text: ({ refused }) => refused, align: "right" },
    { title: "failed", text: ({ failed }) => failed, align: "right" },
    { title: "input", text: ({ inputTokens }) => inputTokens, align: "right" },
    { title: "cache written", text: (row) => row.cacheWrite5mTokens + row.cacheWrite1hTokens, align: "right" },
    { title: "cache read", text: ({ cacheReadTokens }) => cacheReadTokens, align: "right" },
    { title: "output", text: ({ outputTokens }) => outputTokens, align: "right" },
    { title: "charged", text: ({ chargedNanoUsd }) => dollarsOf(chargedNanoUsd), align: "right" },
  ];
  sayTable([...names, ...figures], rows.length === 0 ? [] : [...rows, total], "Nothing was used in this time.");
}

function windowOf({ from, to }: WindowOptions): { from: string; to: string | undefined } {
  const end = to === undefined ? undefined : timeOf(to, "--to");
  const standard = () => new Date((end === undefined ? Date.now() : Date.parse(end)) - standardWindowMilliseconds);
  return { from: from === undefined ? standard().toISOString() : timeOf(from, "--from"), to: end };
}
