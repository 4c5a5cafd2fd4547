// What a request asks for, in one form for all protocols, as far as an answer depends on it.
import type { Operation, Platform } from "./behaviour.ts";
import { asList, asNumber, asObject, asText, fieldIn, type JsonObject } from "./read-json.ts";
import type { Route } from "./read-route.ts";

export interface OfferedTool {
  readonly name: string;
  /** A custom tool takes text instead of JSON (OpenAI). */
  readonly kind: "function" | "custom";
  readonly schema: unknown;
}

export interface Asked {
  readonly platform: Platform;
  readonly operation: Operation;
  readonly model: string;
  readonly stream: boolean;
  /** Gemini's streams: SSE, else a JSON array. */
  readonly sse: boolean;
  /** Of the decoded body. */
  readonly inputBytes: number;
  /** Infinity when the request sets no limit. */
  readonly mostOutputTokens: number;
  /** How many answers are asked for at once (`n`, `candidateCount`). */
  readonly answers: number;
  /** OpenAI chat streams: `stream_options.include_usage`. */
  readonly includeUsage: boolean;
  /** Gemini: `includeThoughts`; OpenAI responses: `reasoning.encrypted_content` in `include`. */
  readonly showThoughts: boolean;
  readonly tools: readonly OfferedTool[];
  /** The answer is to be JSON: its schema, or an empty one. */
  readonly jsonSchema: JsonObject | undefined;
  readonly stopSequence: string | undefined;
  readonly previousResponseId: string | undefined;
  /** OpenAI: what a compaction that is asked for keeps as it is, the user's messages. Undefined: none is asked for. */
  readonly compaction: readonly JsonObject[] | undefined;
  /** OpenAI responses: whether the answer can be referred to later. */
  readonly store: boolean;
}

/** Never throws: what is missing or odd is for `validateRequest` to refuse. */
export function readAsked(route: Route, json: unknown, inputBytes: number): Asked {
  const body = asObject(json) ?? {};
  const common = {
    platform: route.platform,
    operation: route.operation,
    model: route.model ?? asText(body.model) ?? "",
    stream: route.operation === "gemini.stream" || (body.stream === true && route.operation !== "openai.compact"),
    sse: route.sse ?? true,
    inputBytes,
    previousResponseId: asText(body.previous_response_id),
    store: body.store !== false,
  };
  if (route.platform === "gemini") return { ...common, ...readGemini(body) };
  if (route.platform === "anthropic") return { ...common, ...readAnthropic(body) };
  if (route.operation === "openai.responses" || route.operation === "openai.compact") {
    return { ...common, ...readResponses(body, route.operation) };
  }
  return { ...common, ...readChat(body) };
}

type Rest = Omit<
  Asked,
  "platform" | "operation" | "model" | "stream" | "sse" | "inputBytes" | "previousResponseId" | "store"
>;

function readAnthropic(body: JsonObject): Rest {
  const format = asObject(fieldIn(body, "output_config", "format")) ?? asObject(body.output_format);
  return {
    mostOutputTokens: limit(body.max_tokens),
    answers: 1,
    includeUsage: true,
    showThoughts: true,
    tools: asList(body.tools).flatMap((tool) => {
      const { name, type, input_schema: schema } = asObject(tool) ?? {};
      const isClients = type === undefined || type === null || type === "custom";
      return typeof name === "string" && isClients ? [{ name, kind: "function" as const, schema }] : [];
    }),
    jsonSchema: format?.type === "json_schema" ? (asObject(format.schema) ?? {}) : undefined,
    stopSequence: asText(asList(body.stop_sequences)[0]),
    compaction: undefined,
  };
}

function readChat(body: JsonObject): Rest {
  const format = asObject(body.response_format);
  return {
    mostOutputTokens: limit(body.max_completion_tokens ?? body.max_tokens),
    answers: Math.max(1, Math.floor(asNumber(body.n) ?? 1)),
    includeUsage: fieldIn(body, "stream_options", "include_usage") === true,
    showThoughts: false,
    tools: asList(body.tools).flatMap((tool) => {
      const kind = asText(fieldIn(tool, "type"));
      const inner = asObject(fieldIn(tool, kind ?? ""));
      return toolOf(kind, inner?.name, inner?.parameters);
    }),
    jsonSchema: format && /^json_/.test(asText(format.type) ?? "") ? schemaIn(format.json_schema) : undefined,
    stopSequence: undefined,
    compaction: undefined,
  };
}

function readResponses(body: JsonObject, operation: Operation): Rest {
  const format = asObject(fieldIn(body, "text", "format"));
  const isCompact = operation === "openai.compact";
  if (isCompact || isCompactionTrigger(asList(body.input).at(-1))) {
    return {
      // No parameter of /compact limits its output.
      mostOutputTokens: isCompact ? Number.POSITIVE_INFINITY : limit(body.max_output_tokens),
      ...{ answers: 1, includeUsage: true, showThoughts: false, tools: [], jsonSchema: undefined },
      ...{ stopSequence: undefined, compaction: userMessagesIn(body.input) },
    };
  }
  return {
    mostOutputTokens: limit(body.max_output_tokens),
    answers: 1,
    includeUsage: true,
    showThoughts: asList(body.include).includes("reasoning.encrypted_content"),
    tools: asList(body.tools).flatMap((tool) => {
      const { type, name, parameters } = asObject(tool) ?? {};
      return toolOf(asText(type), name, parameters);
    }),
    jsonSchema: format && /^json_/.test(asText(format.type) ?? "") ? schemaIn(format) : undefined,
    stopSequence: undefined,
    compaction: undefined,
  };
}

export function isCompactionTrigger(item: unknown): boolean {
  return fieldIn(item, "type") === "compaction_trigger";
}

function userMessagesIn(input: unknown): readonly JsonObject[] {
  if (typeof input === "string") return [userMessage(input)];
  return asList(input).flatMap((item) => {
    const { type, role, content } = asObject(item) ?? {};
    return role === "user" && (type === undefined || type === "message") ? [userMessage(content)] : [];
  });
}

function userMessage(content: unknown): JsonObject {
  const parts = typeof content === "string" ? [{ type: "input_text", text: content }] : asList(content);
  return { type: "message", status: "completed", role: "user", content: parts };
}

function readGemini(body: JsonObject): Rest {
  const config = asObject(body.generationConfig) ?? {};
  const isJson = config.responseMimeType === "application/json";
  return {
    mostOutputTokens: limit(config.maxOutputTokens),
    answers: Math.max(1, Math.floor(asNumber(config.candidateCount) ?? 1)),
    includeUsage: true,
    showThoughts: fieldIn(config, "thinkingConfig", "includeThoughts") === true,
    tools: asList(body.tools)
      .flatMap((tool) => asList(fieldIn(tool, "functionDeclarations")))
      .flatMap((tool) => {
        const { name, parameters, parametersJsonSchema } = asObject(tool) ?? {};
        return toolOf("function", name, parametersJsonSchema ?? parameters);
      }),
    jsonSchema: isJson ? (asObject(config.responseJsonSchema ?? config.responseSchema) ?? {}) : undefined,
    stopSequence: undefined,
    compaction: undefined,
  };
}

function toolOf(kind: string | undefined, name: unknown, schema: unknown): OfferedTool[] {
  return typeof name === "string" && (kind === "function" || kind === "custom") ? [{ name, kind, schema }] : [];
}

function schemaIn(format: unknown): JsonObject {
  return asObject(fieldIn(format, "schema")) ?? {};
}

function limit(value: unknown): number {
  const most = asNumber(value);
  return most === undefined ? Number.POSITIVE_INFINITY : Math.max(0, Math.floor(most));
}
