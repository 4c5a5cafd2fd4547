// What a request to OpenAI's API may cost, which session it belongs to, and what it refers to.
import { Refusal } from "../refusal.ts";
import { contentHash } from "../wire/content-hash.ts";
import { type JsonObject, listOf, objectOf, objectsOf, positiveOf, textOf } from "../wire/json-values.ts";
import { answersOf, boundIdsOf, flagOf, mostCallsUnstated } from "./demand-parts.ts";
import type { ClientRequest, Demand } from "./protocol.ts";
import type { RequestBody } from "./request-body.ts";

/** OpenAI frames tools as definitions of its own; a few of its built-in ones add instructions. */
const toolInstructionTokens = 1000;

/** The dearest image: 10,000 patches at 1.62 tokens ("original"); gpt-4o-mini counts by tiles of 5,667 tokens, up to 48,169. */
const mostImageTokens = 17_000;
const mostMiniImageTokens = 50_000;

/** Caching begins at 1,024 tokens: below, a session of the same beginning has nothing to gain from staying. */
const leastCachedBytes = 4096;

/**
 * Models without reasoning: what they bill is what they say. All others (o1, o3, o4, gpt-5 and later, unknown ones)
 * are taken to reason out of sight, unless the request switches it off by `reasoning_effort: "none"` where the family
 * knows that (gpt-5.1 and later).
 */
const withoutReasoning =
  /^(gpt-3\.5-turbo|gpt-4|gpt-4-turbo|gpt-4-32k|gpt-4o|gpt-4o-mini|gpt-4\.1|gpt-4\.1-mini|gpt-4\.1-nano|chatgpt-4o-latest)(-\d{4}-\d{2}-\d{2}|-\d{4}(-preview)?)?$/;
const mayNotReason = /^gpt-(5\.[1-9]|[6-9])/;

/** Tools that OpenAI runs itself, by the beginning of their type: what they find becomes input. Name in the price table. */
const serverTools: readonly (readonly [RegExp, string | undefined])[] = [
  [/^web_search_preview/, "web_search_preview"],
  [/^web_search/, "web_search"],
  [/^file_search$/, "file_search"],
  [/^code_interpreter$/, "code_interpreter"],
  [/^image_generation$/, "image_generation"],
  [/^(mcp|shell|programmatic_tool_calling)$/, undefined],
];

export function chatDemand({ json, bytes }: RequestBody, model: string): Demand {
  const content = contentOf(objectsOf(json.messages));
  const answers = Math.max(answersOf(json.n, "n"), answersOf(json.best_of, "best_of"));
  const hasSearch = json.web_search_options != null || model.includes("search-preview");
  const hasAudio = listOf(json.modalities).includes("audio") || json.audio != null;
  // Rejected parts of a prediction are billed as output, though nobody sees them.
  const isPlain = answers === 1 && !hasSearch && !hasAudio && json.prediction == null;
  return {
    inputBytes: inputBytesOf(bytes, json, model, content.images),
    hasInputElsewhere: content.isElsewhere || hasSearch,
    mostOutputTokens: mostOutputOf(json),
    answers,
    hasVisibleOutput: json.stream === true && isPlain && isVisible(model, json.reasoning_effort),
    serverTools: hasSearch ? { web_search: 1 } : {},
    ...tierOf(json),
  };
}

/** Compatible servers may go by the older name where both are there. */
function mostOutputOf(json: JsonObject): number | undefined {
  const limits = [json.max_completion_tokens, json.max_tokens].flatMap((limit) => positiveOf(limit) ?? []);
  return limits.length === 0 ? undefined : Math.max(...limits);
}

export function responsesDemand(body: RequestBody, model: string): Demand {
  const { json, bytes } = body;
  const items = objectsOf(json.input);
  const content = contentOf(items);
  const tools = toolsOf(json).flatMap((tool) => serverToolOf(tool) ?? []);
  const most = positiveOf(json.max_tool_calls) ?? mostCallsUnstated;
  const refers = ["previous_response_id", "conversation", "prompt"].some((name) => json[name] != null);
  const compacts = json.context_management != null;
  const isHidden = tools.length > 0 || compacts || items.some(isCompactionTrigger) || items.some(isUpdate);
  // What is stored may hold an update that says otherwise.
  const effort = refers ? undefined : objectOf(json.reasoning)?.effort;
  const inputBytes = inputBytesOf(bytes, json, model, content.images);
  return {
    // A compaction on the way reads what the answer reads, and writes an output of its own, which no limit of the request holds.
    inputBytes: compacts ? inputBytes * 2 : inputBytes,
    hasInputElsewhere: content.isElsewhere || refers || tools.length > 0 || items.some(isStored),
    mostOutputTokens: compacts ? undefined : positiveOf(json.max_output_tokens),
    answers: compacts ? 2 : 1,
    hasVisibleOutput: json.stream === true && !isHidden && isVisible(model, effort),
    serverTools: Object.fromEntries(tools.flatMap(({ name }) => (name === undefined ? [] : [[name, most]]))),
    ...tierOf(json),
  };
}

/** Of POST /v1/responses/compact: its one output is encrypted, and as long as the model can. */
export function compactDemand(body: RequestBody, model: string): Demand {
  return { ...responsesDemand(body, model), mostOutputTokens: undefined, hasVisibleOutput: false };
}

/** Codex compacts by it (its "remote compaction", second version): the answer is encrypted. */
function isCompactionTrigger({ type }: JsonObject): boolean {
  return type === "compaction_trigger";
}

/** It overrides what the request says of reasoning (ResponseConfigurationUpdateItemParam of the SDK). */
function isUpdate({ type }: JsonObject): boolean {
  return type === "configuration_update";
}

/** An item that is only named; its type may be left out (ItemReference of the SDK). */
function isReference({ type, role }: JsonObject): boolean {
  return type === "item_reference" || (type == null && role == null);
}

/** Reasoning that came without its text in any form: the provider looks it up by its id, which Codex leaves out. */
function isStoredReasoning({ type, id, content, encrypted_content }: JsonObject): boolean {
  const isNamedAlone = textOf(encrypted_content) === undefined && listOf(content).length === 0;
  return type === "reasoning" && textOf(id) !== undefined && isNamedAlone;
}

function isStored(item: JsonObject): boolean {
  return isReference(item) || isStoredReasoning(item);
}

/** Everything that is embedded is input; lists of tokens are shorter in the body than in bytes of text. */
export function embeddingDemand({ bytes }: RequestBody): Demand {
  return {
    inputBytes: bytes.length,
    hasInputElsewhere: false,
    mostOutputTokens: 0,
    answers: 1,
    hasVisibleOutput: false,
    serverTools: {},
  };
}

/** Throws `Refusal` for what no relay can follow to its end. */
export function refuseBackground(json: JsonObject): void {
  if (!flagOf(json.background, "background")) return;
  throw new Refusal("NotSupported", "background: this relay does not serve responses that run on by themselves.");
}

/** Codex names its session in headers and in `prompt_cache_key`; without any name, what caching works on. */
export function openaiSessions({ json, bytes }: RequestBody, { headers }: ClientRequest): string[] {
  const metadata = objectOf(json.client_metadata) ?? objectOf(json.metadata);
  const named = [
    headers["session-id"],
    headers.session_id,
    headers["x-session-id"],
    json.session_id,
    json.conversation_id,
    json.prompt_cache_key,
    metadata?.session_id,
  ].flatMap((session) => textOf(session) ?? []);
  if (named.length > 0) return [...new Set(named)];
  if (bytes.length < leastCachedBytes) return [];
  const said = listOf(json.messages ?? json.input);
  const firstUser = said.findIndex((message) => objectOf(message)?.role === "user");
  const beginning = said.length === 0 ? [json.input] : said.slice(0, firstUser + 1);
  return [contentHash([json.model, json.instructions, ...beginning])];
}

/**
 * Files, stored responses, conversations, prompts, vector stores and containers live in the account that made them; so do
 * items that are only named, and reasoning that came without its encrypted content: its last one shows the account.
 */
export function openaiBoundIds(json: JsonObject): string[] {
  const items = objectsOf(json.input);
  const tools = toolsOf(json);
  const conversation = json.conversation;
  const reasoning = items.findLast(isStoredReasoning);
  return boundIdsOf([
    json.previous_response_id,
    conversation,
    objectOf(conversation)?.id,
    objectOf(json.prompt)?.id,
    ...items.filter(isReference).map(({ id }) => id),
    reasoning?.id,
    ...contentOf([...objectsOf(json.messages), ...items]).files,
    ...tools.flatMap((tool) => listOf(tool.vector_store_ids)),
    ...tools.flatMap(containerIdsOf),
  ]);
}

function containerIdsOf({ container, environment }: JsonObject): unknown[] {
  const made = [objectOf(container), objectOf(environment)];
  const skills = made.flatMap((one) => objectsOf(one?.skills).map(({ skill_id }) => skill_id));
  const files = made.flatMap((one) => listOf(one?.file_ids));
  return [container, ...made.map((one) => one?.container_id), ...files, ...skills];
}

function isVisible(model: string, effort: unknown): boolean {
  return withoutReasoning.test(model) || (effort === "none" && mayNotReason.test(model));
}

function inputBytesOf(bytes: Buffer, json: JsonObject, model: string, images: number): number {
  const tools = toolsOf(json).length + listOf(json.functions).length;
  const imageTokens = model.startsWith("gpt-4o-mini") ? mostMiniImageTokens : mostImageTokens;
  return bytes.length + (tools > 0 ? toolInstructionTokens : 0) + images * imageTokens;
}

/** Codex gives its newest models their tools in an item of the input, `additional_tools`, and in namespaces (0.169.0, measured). */
function toolsOf(json: JsonObject): JsonObject[] {
  const added = objectsOf(json.input).filter(({ type }) => type === "additional_tools");
  return [json, ...added].flatMap(({ tools }) => objectsOf(tools)).flatMap((tool) => [tool, ...objectsOf(tool.tools)]);
}

function serverToolOf({ type }: JsonObject): { readonly name: string | undefined } | undefined {
  const known = serverTools.find(([form]) => form.test(String(type)));
  return known && { name: known[1] };
}

function tierOf(json: JsonObject): { tier?: string } {
  const tier = textOf(json.service_tier);
  return tier === undefined || tier === "auto" || tier === "default" ? {} : { tier };
}

interface Content {
  images: number;
  isElsewhere: boolean;
  readonly files: unknown[];
}

/** Messages of a chat and input items of a response: their parts, and the outputs of tools, which may be parts too. */
function contentOf(messages: readonly JsonObject[]): Content {
  const content: Content = { images: 0, isElsewhere: false, files: [] };
  for (const message of messages) {
    const output = message.output;
    for (const part of objectsOf(message.content)) readPart(part, content);
    for (const part of Array.isArray(output) ? objectsOf(output) : []) readPart(part, content);
    const screenshot = objectOf(output);
    if (screenshot !== undefined) readPart(screenshot, content);
  }
  return content;
}

function readPart(part: JsonObject, content: Content): void {
  const file = objectOf(part.file) ?? part;
  const url = objectOf(part.image_url)?.url ?? part.image_url;
  switch (part.type) {
    case "image_url":
    case "input_image":
    case "computer_screenshot":
      content.images += 1;
      content.files.push(part.file_id);
      if (textOf(part.file_id) !== undefined || !String(url).startsWith("data:")) content.isElsewhere = true;
      break;
    case "file":
    case "input_file":
      // Pages of a PDF cost as images, whatever bytes they have.
      content.files.push(file.file_id);
      content.isElsewhere = true;
      break;
    case "input_audio":
    case "input_video":
    // Of compatible servers.
    case "audio_url":
    case "video_url":
    case "video":
      content.isElsewhere = true;
      break;
  }
}
