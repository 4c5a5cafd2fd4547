// `causeway relay prices …`, over the API: dollars per million tokens here, integer nano-USD there.
import { readFileSync } from "node:fs";
import { text as textOf } from "node:stream/consumers";
import type { ApiClient } from "../api/api-client.ts";
import type { AnswerOf } from "../api/operations.ts";
import { sayFacts, sayJson, sayLine, sayTable, shortTime } from "../api/output.ts";
import { dollarsOf } from "../dollars.ts";
import { timeOf } from "../time-option.ts";
import { UsageProblem } from "../usage-problem.ts";
import type { OutputOptions } from "./job-commands.ts";
import { type PriceFields, priceOf } from "./relay-price-fields.ts";

const base = "/api/relay/prices";

export interface PriceOptions extends PriceFields {
  readonly fromFile?: string;
}

type Price = AnswerOf<"listRelayPrices">["items"][number];

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
      { title: "from", text: ({ effectiveFrom }) => momentOf(effectiveFrom) },
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

/** What is given replaces what is in force for the model; the rest stays as it is. */
export async function setPrice(
  client: ApiClient,
  model: string | undefined,
  { fromFile, json, ...fields }: PriceOptions & OutputOptions,
): Promise<void> {
  const price = await client.put("putRelayPrice", base, await wanted(client, model, fromFile, fields));
  if (json) return sayJson(price);
  sayPrice(price);
}

async function wanted(
  client: ApiClient,
  model: string | undefined,
  fromFile: string | undefined,
  fields: PriceFields,
): Promise<unknown> {
  if (fromFile !== undefined) {
    const others = Object.keys(fields).filter((name) => ["api", "local", "state"].every((common) => common !== name));
    if (model !== undefined || others.length > 0) {
      throw new UsageProblem(
        "--from-file says everything: give neither a model nor other fields of the price beside it.",
      );
    }
    return readPrice(fromFile);
  }
  if (model === undefined) throw new UsageProblem("Which model? Give its name, or --from-file.");
  const { items } = await client.get("listRelayPrices", base, { model });
  return priceOf(model, fields, items, new Date());
}

async function readPrice(file: string): Promise<unknown> {
  const option = `--from-file ${file}`;
  let text: string;
  try {
    text = file === "-" ? await textOf(process.stdin) : readFileSync(file, "utf8");
  } catch (error) {
    throw new UsageProblem(`${option} cannot be read (${(error as NodeJS.ErrnoException).code}).`, { cause: error });
  }
  try {
    return withoutShown(JSON.parse(text));
  } catch (error) {
    throw new UsageProblem(`${option} is not JSON; npx causeway relay prices list --json shows the fields.`, {
      cause: error,
    });
  }
}

/** What a list shows beside a price: one that was taken from there may be given as it is. */
function withoutShown(price: unknown): unknown {
  const shown = ["priceId", "origin", "version", "isInEffect"];
  if (typeof price !== "object" || price === null || Array.isArray(price)) return price;
  return Object.fromEntries(Object.entries(price).filter(([name]) => !shown.includes(name)));
}

export async function removePrice(
  client: ApiClient,
  model: string,
  { platform, from, json }: OutputOptions & { readonly platform?: string; readonly from?: string },
): Promise<void> {
  const { items } = await client.get("listRelayPrices", base, {});
  const at = from === undefined ? undefined : Date.parse(timeOf(from, "--from"));
  const found = items.filter(
    (price) =>
      price.priceId !== null &&
      price.model === model &&
      (platform === undefined || price.platform === platform) &&
      (at === undefined || Date.parse(price.effectiveFrom) === at),
  );
  const [only, another] = found;
  if (only === undefined) {
    throw new UsageProblem(
      `There is no such override of ${model}; prices of the table cannot be removed, only overridden. npx causeway relay prices list shows both.`,
    );
  }
  if (another !== undefined) {
    const each = found.map((price) => `--platform ${price.platform} --from ${price.effectiveFrom}`);
    throw new UsageProblem(
      [`${model} has several overrides. Say which:`, ...each.map((words) => `  ${words}`)].join("\n"),
    );
  }
  const removed = await client.delete("deleteRelayPrice", `${base}/${encodeURIComponent(only.priceId ?? "")}`);
  if (json) return sayJson(removed);
  sayLine(
    `The override of ${model} from ${momentOf(only.effectiveFrom)} on is gone. What was charged by it stays charged.`,
  );
}

function sayPrice(price: Price): void {
  const { rates, longContext, serverTools, tiers } = price;
  const all = ({ input, output, cacheWrite5m, cacheWrite1h, cacheRead }: Price["rates"]) =>
    `input ${dollarsOf(input)}, output ${dollarsOf(output)}, cache write ${dollarsOf(cacheWrite5m)} (an hour: ${dollarsOf(cacheWrite1h)}), cache read ${dollarsOf(cacheRead)}`;
  const tools = Object.entries(serverTools).map(([tool, nanoUsd]) => `${tool} ${dollarsOf(nanoUsd)}`);
  const factors = Object.entries(tiers).map(([tier, thousandths]) => `${tier} × ${thousandths / 1000}`);
  sayFacts({
    model: price.model,
    platform: price.platform,
    family: price.family || undefined,
    "per million": all(rates),
    "long inputs": longContext && `above ${longContext.aboveInputTokens} tokens: ${all(longContext.rates)}`,
    "tools, each call": tools.join(", ") || undefined,
    tiers: factors.join(", ") || undefined,
    "context window": `${price.contextWindowTokens} tokens`,
    "largest output": `${price.mostOutputTokens} tokens`,
    source: `${price.source} (${price.date})`,
    counts: price.isInEffect ? "from now on" : `from ${shortTime(price.effectiveFrom)} on`,
  });
}

/** A day alone where it begins with it: those of the table do. */
function momentOf(time: string): string {
  return /T00:00:00(\.0+)?Z$/.test(time) ? time.slice(0, 10) : shortTime(time);
}
