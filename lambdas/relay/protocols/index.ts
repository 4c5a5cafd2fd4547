// Registry of client protocols: by platform, and those that are only refused by name.
import { anthropic } from "./anthropic.ts";
import { bedrock } from "./bedrock.ts";
import { gemini } from "./gemini.ts";
import { openai } from "./openai.ts";
import type { Protocol } from "./protocol.ts";

export const protocols = { anthropic, openai, gemini, bedrock } as const satisfies Record<string, Protocol>;
