// List prices of OpenAI's models, standard tier, as reviewed on the date below. A row's source is that of its token prices;
// prices of tools and tiers, and sizes below GPT-6's, are known from before the table was made and were not looked up again.
import { type Dollars, pricesOf, type Row } from "./price-rows.ts";

const priceList = "https://developers.openai.com/api/docs/pricing";
const unread = "the vendor's own page was not read";
const gpt6 = `${priceList} as told by github.com/BerriAI/litellm discussions 39633 and 42523 and github.com/merefield/codexometer 0.18.4; ${unread}`;
const gpt61 = `${priceList} as told by github.com/amine123max/Codex-Manager 0.4.7 and docs.apiyi.com; cache writes taken from GPT-6 Sol; ${unread}`;
const gpt62 = `${priceList} as told by github.com/BerriAI/litellm discussion 52347 and docs.laozhang.ai; cache reads and writes reckoned from what they say of GPT-6; ${unread}`;
const gpt56 = `${priceList} as told by docs.apiyi.com and docs.laozhang.ai; cache writes not found, taken as 1.25 times the input; ${unread}`;
const gpt55 = `${priceList} as told by benchr.org and api-evangelist/openai; cache writes not found, taken as the input; ${unread}`;
const older = `Third parties alike (docs.rs/adk-model 0.6.0, nicolalazzari.ai, powershellgallery.com/ShellPilot); ${unread}`;
const remembered = "Known from before the table was made, not looked up again: check it before you rely on it";

/** Above 272,000 input tokens the whole request costs twice as much for input and cache, 1.5 times for output. */
function longOf({ input, output, write5m = input, read = input }: Dollars): NonNullable<Row["long"]> {
  return {
    aboveInputTokens: 272_000,
    dollars: { input: input * 2, output: output * 1.5, write5m: write5m * 2, read: read * 2 },
  };
}

/** Per thousand calls. Code Interpreter is billed by the container: its smallest. Computers and MCP cost tokens alone. */
const tools = {
  web_search: 10,
  web_search_preview: 25,
  file_search: 2.5,
  code_interpreter: 30,
  computer: 0,
  mcp: 0,
  tool_search: 0,
};
/** OpenAI's own page, where it lists what its fast mode costs: most models twice as much. Until July 2026 it was called priority. */
const fastPage = "https://openai.com/api-fast-mode/";
const fastAt = (thousandths: number) => ({ priority: thousandths, fast: thousandths });
/** For models that the page does not list it is an upper bound. */
const tiers = { ...fastAt(2000), flex: 500 };
/** Sold at six times the rates (vercel.com/changelog/openai-ultrafast-mode-now-available-on-ai-gateway; 6.1 Sol's by docs.venice.ai). */
const ultrafastTiers = { ...tiers, ultrafast: 6000 };
/** Of rows that were added or changed since the table was reviewed. */
const laterRead = "2026-11-21";
const modelList = "https://developers.openai.com/zh-Hans/api/docs/models";

const million = { context: 1_050_000, mostOutput: 128_000, tools, tiers };
const gpt5Size = { context: 400_000, mostOutput: 128_000, tools, tiers };

function gpt(models: readonly string[], family: string, dollars: Dollars, source: string): Row {
  return { models, family, dollars, long: longOf(dollars), ...million, source };
}

function gpt56Row(models: readonly string[], dollars: Dollars): Row {
  return { ...gpt(models, "gpt-5", dollars, `${modelList}; cache and fast: ${fastPage}; ${gpt56}`), read: laterRead };
}

const rows: readonly Row[] = [
  gpt(["gpt-6.2-astra"], "gpt-6-astra", { input: 8, output: 40, write5m: 10, read: 0.4 }, gpt62),
  gpt(["gpt-6.2-sol"], "gpt-6-sol", { input: 2, output: 10, write5m: 2.5, read: 0.1 }, gpt62),
  {
    ...gpt(["gpt-6.1-sol"], "gpt-6-sol", { input: 2, output: 10, write5m: 2.5, read: 0.1 }, gpt61),
    tiers: ultrafastTiers,
    read: laterRead,
  },
  {
    ...gpt(["gpt-6-astra"], "gpt-6-astra", { input: 10, output: 50, write5m: 12.5, read: 1 }, gpt6),
    tiers: ultrafastTiers,
    read: laterRead,
    source: `${modelList}; cache: ${gpt6}`,
  },
  gpt(["gpt-6-sol"], "gpt-6-sol", { input: 2, output: 10, write5m: 2.5, read: 0.2 }, gpt6),
  gpt(["gpt-6-luna"], "gpt-6-luna", { input: 0.1, output: 0.5, write5m: 0.125, read: 0.01 }, gpt6),
  // "gpt-5.6" is the vendor's own other name of Sol.
  gpt56Row(["gpt-5.6-sol", "gpt-5.6"], { input: 4, output: 20, write5m: 5, read: 0.4 }),
  gpt56Row(["gpt-5.6-terra"], { input: 2, output: 12, write5m: 2.5, read: 0.2 }),
  gpt56Row(["gpt-5.6-luna"], { input: 0.2, output: 1.2, write5m: 0.25, read: 0.02 }),
  {
    ...gpt(["gpt-5.5"], "gpt-5", { input: 5, output: 30, read: 0.5 }, `${gpt55}; fast: ${fastPage}`),
    tiers: { ...fastAt(2500), flex: 500 },
    read: laterRead,
  },
  gpt(["gpt-5.5-pro", "gpt-5.4-pro"], "gpt-5-pro", { input: 30, output: 180 }, gpt55),
  gpt(["gpt-5.4"], "gpt-5", { input: 2.5, output: 15, read: 0.25 }, gpt55),
  {
    models: ["gpt-5.4-mini"],
    family: "gpt-5-mini",
    dollars: { input: 0.75, output: 4.5, read: 0.075 },
    ...gpt5Size,
    source: gpt55,
  },
  {
    models: ["gpt-5.4-nano"],
    family: "gpt-5-nano",
    dollars: { input: 0.2, output: 1.25, read: 0.02 },
    ...gpt5Size,
    source: gpt55,
  },
  {
    models: ["gpt-5.3-codex", "gpt-5.2-codex", "gpt-5.2"],
    family: "gpt-5",
    dollars: { input: 1.75, output: 14, read: 0.175 },
    ...gpt5Size,
    source: older,
  },
  { models: ["gpt-5.2-pro"], family: "gpt-5-pro", dollars: { input: 21, output: 168 }, ...gpt5Size, source: older },
  {
    models: ["gpt-5.1", "gpt-5.1-codex", "gpt-5.1-codex-max", "gpt-5", "gpt-5-codex"],
    family: "gpt-5",
    dollars: { input: 1.25, output: 10, read: 0.125 },
    ...gpt5Size,
    source: `https://developers.openai.com/api/docs/models/gpt-5-codex; the others alike: ${older}`,
  },
  {
    models: ["gpt-5-mini", "gpt-5.1-codex-mini"],
    family: "gpt-5-mini",
    dollars: { input: 0.25, output: 2, read: 0.025 },
    ...gpt5Size,
    tiers: { ...fastAt(1800), flex: 500 },
    read: laterRead,
    source: `${older}; fast: ${fastPage}`,
  },
  {
    models: ["gpt-5-nano"],
    family: "gpt-5-nano",
    dollars: { input: 0.05, output: 0.4, read: 0.005 },
    ...gpt5Size,
    source: older,
  },
  { models: ["gpt-5-pro"], family: "gpt-5-pro", dollars: { input: 15, output: 120 }, ...gpt5Size, source: remembered },
  ...(
    [
      ["gpt-4.1", { input: 2, output: 8, read: 0.5 }],
      ["gpt-4.1-mini", { input: 0.4, output: 1.6, read: 0.1 }],
      ["gpt-4.1-nano", { input: 0.1, output: 0.4, read: 0.025 }],
    ] as const
  ).map(
    ([model, dollars]): Row => ({
      models: [model],
      family: "gpt-4.1",
      dollars,
      tools,
      tiers: fastAt(model === "gpt-4.1" ? 1750 : 2000),
      context: 1_047_576,
      mostOutput: 32_768,
      source: model === "gpt-4.1" ? `${older}; fast: ${fastPage}` : remembered,
    }),
  ),
  ...(
    [
      ["gpt-4o", { input: 2.5, output: 10, read: 1.25 }],
      ["gpt-4o-mini", { input: 0.15, output: 0.6, read: 0.075 }],
    ] as const
  ).map(
    ([model, dollars]): Row => ({
      models: [model],
      family: "gpt-4o",
      dollars,
      tools,
      tiers: fastAt(2000),
      context: 128_000,
      mostOutput: 16_384,
      source: "swfte.com/api-pricing/openai, May 2026; the vendor's own page was not read",
    }),
  ),
  {
    // The first one: dearer than those that "gpt-4o-20*" stands for, and without a discount for what is cached.
    models: ["gpt-4o-2024-05-13"],
    family: "gpt-4o",
    dollars: { input: 5, output: 15 },
    tools,
    tiers: fastAt(2000),
    context: 128_000,
    mostOutput: 4096,
    source: `llmcloudhub.com/openai/gpt-4o-2024-05-13, 2026-05-08; ${unread}`,
  },
  ...(
    [
      ["o3", { input: 2, output: 8, read: 0.5 }],
      ["o4-mini", { input: 1.1, output: 4.4, read: 0.275 }],
      ["o3-mini", { input: 1.1, output: 4.4, read: 0.55 }],
      ["o1", { input: 15, output: 60, read: 7.5 }],
    ] as const
  ).map(
    ([model, dollars]): Row => ({
      models: [model],
      family: "o-series",
      dollars,
      tools,
      tiers,
      context: 200_000,
      mostOutput: 100_000,
      source: remembered,
    }),
  ),
  ...(
    [
      ["text-embedding-3-small", 0.02],
      ["text-embedding-3-large", 0.13],
      ["text-embedding-ada-002", 0.1],
    ] as const
  ).map(
    ([model, input]): Row => ({
      models: [model],
      family: "embedding",
      dollars: { input, output: 0 },
      // Of one request with all its texts.
      context: 300_000,
      mostOutput: 1,
      source: remembered,
    }),
  ),
];

export const openaiPrices = pricesOf("openai", "2026-11-20", rows);
