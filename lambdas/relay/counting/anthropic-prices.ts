// List prices of Anthropic's models, standard tier, as reviewed on the date below.
import { type Dollars, pricesOf, type Row } from "./price-rows.ts";

/** Read in a stored copy of the vendor's page. */
const priceList = "https://platform.claude.com/docs/en/about-claude/pricing";
/** The vendor's comparison of its newest models, in a stored copy: prices, context windows and largest outputs. */
const lineup = "https://platform.claude.com/docs/zh-CN/models/sonnet-5-5/overview";
const sizesAssumed = "; context window and largest output taken as those of models around it";
const modelPage = (model: string) => `https://platform.claude.com/docs/en/models/${model}/overview`;
const releaseNotes =
  "https://platform.claude.com/docs/en/about-claude/pricing as told by release notes of October 2026 " +
  "(github.com/kurofune/claudit 1.9.2, github.com/TheKrush/PromptFuel 1.0.23); the vendor's own page was not read";

/** Cache writes cost 1.25 and 2 times the input; what a read costs differs from model to model. */
function dollars(input: number, output: number, read: number): Dollars {
  return { input, output, write5m: input * 1.25, write1h: input * 2, read };
}

/**
 * Searches cost $10 a thousand; fetching and code beside a search cost nothing but their tokens. Known from before the
 * table was made, not looked up again.
 */
const tools = { web_search: 10, web_fetch: 0, code_execution: 0, tool_search: 0 };

/** Read on the day that rows name which were added or changed since the table's own. */
const laterRead = "2026-11-21";
/** `priority` is paid by a commitment, whose tokens are those of the list (the vendor's page "Service tiers"). */
const priority = { priority: 1000 };
/** `inference_geo: us` costs 1.1 times as much, with Opus 4.6, Sonnet 4.6 and later ones (the pages "Service tiers" and "Data residency"). */
const tiers = { ...priority, "geo-us": 1100 };
/** `speed: fast` costs twice as much where there is one (the page "Fast mode"; openrouter.ai and vercel.com on Opus 5). */
const fastTiers = { ...tiers, fast: 2000 };
const large = { context: 1_000_000, mostOutput: 128_000, tools, tiers };
const small = { context: 200_000, mostOutput: 64_000, tools, tiers: priority };

const rows: readonly Row[] = [
  {
    models: ["claude-fable-5-2"],
    family: "fable",
    dollars: dollars(8, 40, 0.2),
    ...large,
    read: laterRead,
    source:
      "docs.laozhang.ai/en/announcements/claude-fable-5-2-2026-11: the vendor's list price since 2026-11-09; cache read " +
      "not found, reckoned as Fable 5.1's share; its fast mode's price not found; the vendor's own page was not read",
  },
  {
    models: ["claude-fable-5-1"],
    family: "fable",
    dollars: dollars(10, 50, 0.25),
    ...large,
    source: `${priceList}; ${lineup}`,
  },
  {
    models: ["claude-mythos-5-1"],
    family: "mythos",
    dollars: dollars(10, 50, 0.25),
    ...large,
    source: priceList + sizesAssumed,
  },
  {
    models: ["claude-fable-5"],
    family: "fable",
    dollars: dollars(10, 50, 1),
    ...large,
    source: priceList + sizesAssumed,
  },
  {
    models: ["claude-mythos-5"],
    family: "mythos",
    dollars: dollars(10, 50, 1),
    ...large,
    source: priceList + sizesAssumed,
  },
  {
    models: ["claude-opus-5-5"],
    family: "opus",
    dollars: dollars(4, 20, 0.2),
    ...large,
    // $8 and $40.
    tiers: fastTiers,
    source: `${lineup}; cache and fast mode: github.com/TheKrush/PromptFuel 1.0.21`,
  },
  {
    models: ["claude-opus-5"],
    family: "opus",
    dollars: dollars(5, 25, 0.5),
    ...large,
    tiers: fastTiers,
    read: laterRead,
    source: modelPage("opus-5"),
  },
  {
    models: ["claude-opus-4-8"],
    family: "opus",
    dollars: dollars(5, 25, 0.5),
    ...large,
    // Until 2026-11-30.
    tiers: fastTiers,
    read: laterRead,
    source: priceList + sizesAssumed,
  },
  {
    models: ["claude-opus-4-7", "claude-opus-4-6"],
    family: "opus",
    dollars: dollars(5, 25, 0.5),
    ...large,
    source: priceList + sizesAssumed,
  },
  {
    models: ["claude-opus-4-5"],
    family: "opus",
    dollars: dollars(5, 25, 0.5),
    ...small,
    source: priceList + sizesAssumed,
  },
  {
    // Retired at Anthropic, alive elsewhere.
    models: ["claude-opus-4-1", "claude-opus-4-0", "claude-opus-4"],
    family: "opus",
    dollars: dollars(15, 75, 1.5),
    ...small,
    mostOutput: 32_000,
    source: priceList + sizesAssumed,
  },
  {
    models: ["claude-sonnet-5-5"],
    family: "sonnet",
    dollars: dollars(2, 10, 0.1),
    ...large,
    source: `${modelPage("sonnet-5-5")}; the cache read's cut of 2026-10-07: ${releaseNotes}`,
  },
  {
    models: ["claude-sonnet-5"],
    family: "sonnet",
    dollars: dollars(2, 10, 0.2),
    ...large,
    source: modelPage("sonnet-5"),
  },
  {
    models: ["claude-sonnet-4-6"],
    family: "sonnet",
    dollars: dollars(3, 15, 0.3),
    ...large,
    source:
      "Third parties alike (docs.rs/synaps 0.10.2, artka.dev); the vendor's page was not read for this model" +
      sizesAssumed,
  },
  {
    models: ["claude-sonnet-4-5", "claude-sonnet-4-0", "claude-sonnet-4"],
    family: "sonnet",
    dollars: dollars(3, 15, 0.3),
    ...small,
    source: `${modelPage("sonnet-4-5")}; cache: third parties alike`,
  },
  {
    models: ["claude-haiku-5-5"],
    family: "haiku",
    dollars: dollars(0.1, 0.5, 0.01),
    long: { aboveInputTokens: 100_000, dollars: dollars(0.5, 2.5, 0.05) },
    ...large,
    source: releaseNotes,
  },
  {
    models: ["claude-haiku-4-5"],
    family: "haiku",
    dollars: dollars(1, 5, 0.1),
    ...small,
    source: `${lineup}; cache: third parties alike`,
  },
];

export const anthropicPrices = pricesOf("anthropic", "2026-11-20", rows);
