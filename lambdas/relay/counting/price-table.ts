// The reviewed table of list prices: one file per vendor, each row with its source and the day on which it was looked up.
import { anthropicPrices } from "./anthropic-prices.ts";
import { geminiPrices } from "./gemini-prices.ts";
import { openaiPrices } from "./openai-prices.ts";
import type { Price } from "./price.ts";

export const priceTable: readonly Price[] = [...anthropicPrices, ...openaiPrices, ...geminiPrices];
