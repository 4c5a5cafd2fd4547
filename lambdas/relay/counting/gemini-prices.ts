// List prices of the Gemini API, paid tier, text, as reviewed on the date below. Audio in costs more with some models: see docs.
// A row's source is that of its token prices; sizes but 3.8 Flash's were not looked up again.
import { pricesOf, type Row } from "./price-rows.ts";

const priceList = "https://ai.google.dev/gemini-api/docs/pricing";
const transcribed = `${priceList} as transcribed by api-evangelist/gemini on 2026-09-20`;
const cacheByTenth = "cache reads taken as a tenth of the input, as third parties say";
const resold = `${priceList} as told by morphllm.com; ${cacheByTenth}; the vendor's own page was not read`;

/** Grounding is billed by the search with Gemini 3, by the prompt with 2.5; its free part is not taken off. */
const newTools = { google_search: 14, google_maps: 25, url_context: 0, code_execution: 0, file_search: 0 };
const oldTools = { google_search: 35, google_maps: 25, url_context: 0, code_execution: 0, file_search: 0 };
/** "75 to 100 % more than standard" and half: https://ai.google.dev/gemini-api/docs/optimization, read on 2026-11-21. Priority is so an upper bound. */
const tiers = { priority: 2000, flex: 500 };
const size = { context: 1_048_576, mostOutput: 65_536, tiers };
/** 3.6 stood at the later price from July 2026; that the offer is for it, too, is told by third parties alike. */
const offer36 = "3.6: github.com/uttamdeb/agent-telemetry 1.6.6 and docs.venice.ai";

const rows: readonly Row[] = [
  {
    models: ["gemini-3.8-flash", "gemini-3.7-flash", "gemini-3.6-flash"],
    family: "gemini-flash",
    dollars: { input: 0.75, output: 3.75, read: 0.075 },
    tools: newTools,
    ...size,
    read: "2026-11-21",
    source:
      `${transcribed}; cache: github.com/BerriAI/litellm discussion 39357; 3.7: ` +
      `https://ai.google.dev/gemini-api/docs/whats-new-gemini-3.7; ${offer36}`,
  },
  {
    models: ["gemini-3.8-flash", "gemini-3.7-flash", "gemini-3.6-flash"],
    family: "gemini-flash",
    dollars: { input: 1.5, output: 7.5, read: 0.15 },
    tools: newTools,
    ...size,
    read: "2026-11-21",
    source:
      `${transcribed}: the price from January 2027 on; cache reckoned; 3.7 not found, taken alike; 3.6: ` +
      "https://ai.google.dev/gemini-api/docs/whats-new-gemini-3.6",
    from: "2027-01-01T00:00:00.000Z",
  },
  {
    models: ["gemini-3.5-flash"],
    family: "gemini-flash",
    dollars: { input: 1.5, output: 9, read: 0.15 },
    tools: newTools,
    ...size,
    source: `${transcribed}; ${cacheByTenth}`,
  },
  {
    models: ["gemini-3.1-pro-preview", "gemini-3.1-pro-preview-customtools", "gemini-3-pro-preview"],
    family: "gemini-pro",
    dollars: { input: 2, output: 12, read: 0.2 },
    long: { aboveInputTokens: 200_000, dollars: { input: 4, output: 18, read: 0.4 } },
    tools: newTools,
    ...size,
    source: `${transcribed}; ${cacheByTenth}`,
  },
  {
    // Asked by Gemini CLI before every turn, to choose a model.
    models: ["gemini-3.5-flash-lite"],
    family: "gemini-flash-lite",
    dollars: { input: 0.3, output: 2.5, read: 0.03 },
    tools: newTools,
    ...size,
    source: `${priceList} as transcribed by api-evangelist/deepmind on 2026-10-07; cache: docs.apiyi.com`,
  },
  {
    models: ["gemini-3.1-flash-lite", "gemini-3.1-flash-lite-preview"],
    family: "gemini-flash-lite",
    dollars: { input: 0.25, output: 1.5, read: 0.025 },
    tools: newTools,
    ...size,
    source: resold,
  },
  {
    models: ["gemini-3-flash-preview"],
    family: "gemini-flash",
    dollars: { input: 0.5, output: 3, read: 0.05 },
    tools: newTools,
    ...size,
    source: resold,
  },
  {
    models: ["gemini-2.5-pro"],
    family: "gemini-pro",
    dollars: { input: 1.25, output: 10, read: 0.125 },
    long: { aboveInputTokens: 200_000, dollars: { input: 2.5, output: 15, read: 0.25 } },
    tools: oldTools,
    ...size,
    source: `${transcribed}; ${cacheByTenth}`,
  },
  {
    models: ["gemini-2.5-flash"],
    family: "gemini-flash",
    dollars: { input: 0.3, output: 2.5, read: 0.03 },
    tools: oldTools,
    ...size,
    source: `${transcribed}; ${cacheByTenth}`,
  },
  {
    models: ["gemini-2.5-flash-lite"],
    family: "gemini-flash-lite",
    dollars: { input: 0.1, output: 0.4, read: 0.01 },
    tools: oldTools,
    ...size,
    source: `${transcribed}; ${cacheByTenth}`,
  },
  {
    models: ["gemini-embedding-001"],
    family: "gemini-embedding",
    dollars: { input: 0.15, output: 0 },
    // Of one request with all its texts.
    context: 1_048_576,
    mostOutput: 1,
    source: "https://opencode.ai/data/google/gemini-embedding-001.json; the vendor's own page was not read",
  },
  {
    models: ["gemini-embedding-2"],
    family: "gemini-embedding",
    dollars: { input: 0.2, output: 0 },
    context: 1_048_576,
    mostOutput: 1,
    source: transcribed,
  },
];

export const geminiPrices = pricesOf("gemini", "2026-11-20", rows);
