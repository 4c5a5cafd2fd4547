// Answers of the Gemini API, as JSON and as the chunks of a stream (facts/relay.md 2.3; types of the SDK).
import { cutIntoDeltas, type Plan, tokensInBytes, type Usage } from "./plan-answer.ts";
import type { Asked } from "./read-asked.ts";
import { asObject, type JsonObject } from "./read-json.ts";
import type { StreamEvent } from "./stream-event.ts";

const piecesOfThought = 2;
/** Opaque to everybody but the vendor. */
const thoughtSignature = Buffer.from("signed by the local upstream").toString("base64");

export function contentJson(asked: Asked, plan: Plan): JsonObject {
  const { answers, showThoughts } = asked;
  const thoughts = showThoughts && plan.thinking !== "" ? [thought(plan.thinking)] : [];
  const parts = [...thoughts, ...(plan.text === "" ? [] : [{ text: plan.text }]), ...callParts(plan)];
  return {
    candidates: Array.from({ length: answers }, (_, index) => candidate(parts, index, plan)),
    ...(plan.usage && { usageMetadata: usageOf(plan.usage) }),
    ...tail(asked, plan),
  };
}

export function contentChunks(asked: Asked, plan: Plan): StreamEvent[] {
  const calls = callParts(plan);
  const steps: JsonObject[][] = [
    ...(asked.showThoughts ? cutIntoDeltas(plan.thinking, piecesOfThought).map((piece) => [thought(piece)]) : []),
    ...plan.deltas.map((text) => [{ text }]),
    ...(calls.length > 0 ? [calls] : []),
  ];
  if (steps.length === 0) steps.push([{ text: "" }]);
  let writtenBytes = 0;
  return steps.flatMap((parts, position) => {
    const isLast = position === steps.length - 1;
    writtenBytes += parts.reduce((sum, part) => sum + Buffer.byteLength(String(part.text ?? "")), 0);
    const usage = usageAt(plan, isLast, writtenBytes);
    // One chunk carries one candidate; usage counts them all.
    return Array.from({ length: asked.answers }, (_, index) => ({
      data: {
        candidates: [candidate(parts, index, isLast ? plan : undefined)],
        ...(usage && { usageMetadata: usage }),
        ...tail(asked, plan),
      },
    }));
  });
}

/** Cumulative; of a chunk in the middle it is what was written until then, and never more than the last one says. */
function usageAt({ usage, usageOnlyAtEnd }: Plan, isLast: boolean, writtenBytes: number): JsonObject | undefined {
  if (usage === undefined || isLast) return usage && usageOf(usage);
  if (usageOnlyAtEnd) return undefined;
  const written = tokensInBytes(writtenBytes) + usage.reasoningTokens;
  return usageOf({ ...usage, outputTokens: Math.min(usage.outputTokens, written) });
}

function candidate(parts: readonly JsonObject[], index: number, ended: Plan | undefined): JsonObject {
  return {
    content: { parts, role: "model" },
    ...(ended && { finishReason: finishReason(ended) }),
    index,
    ...(ended?.usage && ended.usage.webSearchRequests > 0 && { groundingMetadata: grounding(ended.usage) }),
  };
}

function grounding({ webSearchRequests }: Usage): JsonObject {
  const queries = Array.from({ length: Math.min(webSearchRequests, 100) }, (_, index) => `causeway ${index + 1}`);
  return { webSearchQueries: queries, groundingChunks: [], groundingSupports: [] };
}

function thought(text: string): JsonObject {
  return { text, thought: true };
}

function callParts({ calls, id }: Plan): JsonObject[] {
  return calls.map(({ name, input }, index) => ({
    functionCall: { id: `call${id}${index}`, name, args: argumentsOf(input) },
    thoughtSignature,
  }));
}

function argumentsOf(input: string): JsonObject {
  try {
    return asObject(JSON.parse(input)) ?? {};
  } catch {
    return { text: input };
  }
}

function finishReason({ stop }: Plan): string {
  return typeof stop === "object" ? stop.verbatim : { end: "STOP", limit: "MAX_TOKENS", tool: "STOP" }[stop];
}

function tail({ model }: Asked, { id }: Plan): JsonObject {
  return { modelVersion: model, responseId: id };
}

/** promptTokenCount includes what was cached; thoughts are counted beside the candidates, and billed as output. */
function usageOf(usage: Usage): JsonObject {
  const cached = usage.cacheReadTokens;
  const prompt = usage.inputTokens + cached + usage.cacheWrite5mTokens + usage.cacheWrite1hTokens;
  const candidates = Math.max(0, usage.outputTokens - usage.reasoningTokens);
  return {
    promptTokenCount: prompt,
    candidatesTokenCount: candidates,
    totalTokenCount: prompt + usage.outputTokens + usage.toolUsePromptTokens,
    ...(cached > 0 && {
      cachedContentTokenCount: cached,
      cacheTokensDetails: [{ modality: "TEXT", tokenCount: cached }],
    }),
    promptTokensDetails: [{ modality: "TEXT", tokenCount: prompt }],
    ...(usage.reasoningTokens > 0 && { thoughtsTokenCount: usage.reasoningTokens }),
    ...(usage.toolUsePromptTokens > 0 && { toolUsePromptTokenCount: usage.toolUsePromptTokens }),
  };
}
