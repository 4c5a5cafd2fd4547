// What is said in answer to a request, before any protocol: texts, tool calls, why it ends, and honest or scripted usage.
import type { Behaviour, ScriptedUsage } from "./behaviour.ts";
import type { Asked, OfferedTool } from "./read-asked.ts";
import { sampleFromSchema } from "./sample-from-schema.ts";

export interface PlannedCall {
  readonly name: string;
  readonly kind: OfferedTool["kind"];
  /** JSON, or the text of a custom tool. */
  readonly input: string;
}

export interface Usage extends Required<ScriptedUsage> {}

export interface Plan {
  readonly id: string;
  readonly createdSeconds: number;
  /** Empty: none. */
  readonly thinking: string;
  /** Empty: none. The deltas joined are the text. */
  readonly text: string;
  readonly deltas: readonly string[];
  readonly calls: readonly PlannedCall[];
  readonly stop: "end" | "limit" | "tool" | { readonly verbatim: string };
  /** Undefined: it is not said. */
  readonly usage: Usage | undefined;
  readonly usageOnlyAtEnd: boolean;
}

/** One token for so many bytes, in and out: what the usage of this upstream is honest by. */
const bytesPerToken = 4;
const defaultText = "Hello! This is the AI upstream of the local cloud.";
const filling = "The water is wide, the causeway is narrow, and everything that crosses is counted. ";
const thinkingFilling = "Let me think about what was asked, and about how to answer it. ";
const charactersPerDelta = 24;

export interface Naming {
  readonly id: string;
  readonly createdSeconds: number;
}

export function planAnswer(asked: Asked, behaviour: Behaviour, { id, createdSeconds }: Naming): Plan {
  const calls = planCalls(asked, behaviour);
  const most = asked.mostOutputTokens;
  const thinkingTokens = Math.min(behaviour.thinkingTokens ?? 0, most);
  const thinking = fill(thinkingFilling, thinkingTokens);
  const wanted = wantedText(asked, behaviour, calls);
  const text = cutToTokens(wanted, most - thinkingTokens);
  const isCut = text.length < wanted.length || thinkingTokens < (behaviour.thinkingTokens ?? 0);
  const callTokens = calls.reduce((sum, { input }) => sum + tokensIn(input), 0);
  const outputTokens = (thinkingTokens + tokensIn(text) + callTokens) * asked.answers;
  const said = isCut ? [] : calls;
  return {
    id,
    createdSeconds,
    thinking,
    text,
    deltas: cutIntoDeltas(text, behaviour.events ?? Math.ceil(text.length / charactersPerDelta)),
    calls: said,
    stop: behaviour.stopReason ? { verbatim: behaviour.stopReason } : isCut ? "limit" : said.length ? "tool" : "end",
    usage: usageOf(
      tokensInBytes(asked.inputBytes),
      isCut ? outputTokens - callTokens * asked.answers : outputTokens,
      thinkingTokens * asked.answers,
      behaviour,
    ),
    usageOnlyAtEnd: behaviour.usageOnlyAtEnd ?? false,
  };
}

export function tokensInBytes(bytes: number): number {
  return Math.ceil(bytes / bytesPerToken);
}

export function tokensIn(text: string): number {
  return tokensInBytes(Buffer.byteLength(text));
}

function usageOf(input: number, output: number, reasoning: number, behaviour: Behaviour): Usage | undefined {
  if (behaviour.usage === "missing") return undefined;
  const usage: Usage = {
    inputTokens: input,
    cacheWrite5mTokens: 0,
    cacheWrite1hTokens: 0,
    cacheReadTokens: 0,
    outputTokens: output,
    reasoningTokens: reasoning,
    webSearchRequests: 0,
    webFetchRequests: 0,
    toolUsePromptTokens: 0,
    ...behaviour.usage,
  };
  const factor = behaviour.usageFactor;
  if (factor === undefined) return usage;
  const names = Object.keys(usage) as (keyof Usage)[];
  return Object.fromEntries(names.map((name) => [name, Math.round(usage[name] * factor)])) as unknown as Usage;
}

/** Beside calls of tools nothing is said unless the script says what. */
function wantedText(asked: Asked, behaviour: Behaviour, calls: readonly PlannedCall[]): string {
  if (behaviour.outputTokens !== undefined) return fill(filling, behaviour.outputTokens);
  if (behaviour.text !== undefined) return behaviour.text;
  if (calls.length > 0) return "";
  return asked.jsonSchema ? JSON.stringify(sampleFromSchema(asked.jsonSchema) ?? {}) : defaultText;
}

function planCalls({ tools }: Asked, { toolCalls = [] }: Behaviour): PlannedCall[] {
  return toolCalls.flatMap(({ name, input }) => {
    const tool = name === undefined ? tools[0] : tools.find((offered) => offered.name === name);
    if (!tool) return [];
    if (typeof input === "string") return [{ name: tool.name, kind: tool.kind, input }];
    const value = input ?? (tool.kind === "custom" ? "text" : (sampleFromSchema(tool.schema) ?? {}));
    return [{ name: tool.name, kind: tool.kind, input: typeof value === "string" ? value : JSON.stringify(value) }];
  });
}

function fill(sentence: string, tokens: number): string {
  const bytes = tokens * bytesPerToken;
  return sentence.repeat(Math.ceil(bytes / sentence.length)).slice(0, bytes);
}

function cutToTokens(text: string, tokens: number): string {
  if (tokensIn(text) <= tokens) return text;
  // A decoder that expects more keeps the half of a character to itself.
  return new TextDecoder().decode(Buffer.from(text).subarray(0, tokens * bytesPerToken), { stream: true });
}

/** As even as it goes, never in the middle of a surrogate pair. */
export function cutIntoDeltas(text: string, count: number): string[] {
  const deltas: string[] = [];
  let start = 0;
  for (let index = 1; index <= count && start < text.length; index += 1) {
    let end = index === count ? text.length : Math.floor((text.length * index) / count);
    if (isLowSurrogate(text.charCodeAt(end))) end += 1;
    if (end <= start) continue;
    deltas.push(text.slice(start, end));
    start = end;
  }
  return deltas;
}

function isLowSurrogate(code: number): boolean {
  return code >= 0xdc00 && code <= 0xdfff;
}
