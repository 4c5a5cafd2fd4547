// What a request to Anthropic's Messages API may cost, which session it belongs to, and what it refers to.
import { Refusal } from "../refusal.ts";
import { contentHash } from "../wire/content-hash.ts";
import { type JsonObject, listOf, objectOf, objectsOf, parseJson, positiveOf, textOf } from "../wire/json-values.ts";
import { boundIdsOf, mostCallsUnstated, refuseOtherModels } from "./demand-parts.ts";
import type { ClientRequest, Demand } from "./protocol.ts";
import type { RequestBody } from "./request-body.ts";

/** Instructions that Anthropic adds where there are tools (up to 530 tokens), and for each of its own client tools (up to 735). */
const toolInstructionTokens = 1000;

/** An image costs by its size in pixels, at most 4,784 tokens; strongly compressed, it may have fewer bytes. */
const mostImageTokens = 5000;

/** Tools that Anthropic runs itself: what they find becomes input that no body shows. Name in the price table by the type's beginning. */
const serverTools: readonly (readonly [RegExp, string | undefined])[] = [
  [/^web_search_/, "web_search"],
  [/^web_fetch_/, "web_fetch"],
  [/^code_execution_/, "code_execution"],
  [/^mcp_toolset$/, undefined],
];

/**
 * Models that think only where they are asked to: the 3 and 4 families (the vendor's page "Troubleshooting thinking",
 * November 2026). From the 5 family on thinking is on by default; what is not listed is taken to think.
 */
const thinksWhenAsked = /^claude-(3|opus-4|sonnet-4|haiku-4)/;

/**
 * Output is visible when every billed token is seen in the stream. Thinking comes summarised or not at all and is billed
 * whole; tools that Anthropic runs, fallbacks and compactions bill outputs of their own beside the message.
 */
export function anthropicDemand({ json, bytes, text }: RequestBody, model: string): Demand {
  const tools = objectsOf(json.tools);
  const asked = contentOf(json);
  const run = tools.flatMap((tool) => serverToolOf(tool) ?? []);
  const hasMcp = listOf(json.mcp_servers).length > 0;
  const isAlone = run.length === 0 && !hasMcp && !hasOwnIterations(json);
  const thinking = objectOf(json.thinking)?.type;
  const compacts = hasCompaction(json);
  const isThinkingOff = thinking === "disabled" || (thinking === undefined && thinksWhenAsked.test(model));
  return {
    inputBytes: bytes.length + addedTokens(tools) + asked.images * mostImageTokens,
    // A compaction reads the conversation before the message does, and writes an output that max_tokens does not limit.
    hasInputElsewhere: asked.isElsewhere || run.length > 0 || hasMcp || json.container != null || compacts,
    mostOutputTokens: compacts ? undefined : positiveOf(json.max_tokens),
    answers: compacts ? 2 : 1,
    hasVisibleOutput: json.stream === true && isThinkingOff && isAlone,
    serverTools: Object.fromEntries(run.flatMap(({ name, most }) => (name === undefined ? [] : [[name, most]]))),
    ...cacheWritesOf(text),
    ...tierOf(json),
  };
}

/** Throws `Refusal` for what would be served by a model that the key's policy and the price table do not see. */
export function refuseHiddenModels({ fallbacks, ...json }: JsonObject): void {
  refuseOtherModels(json);
  if (listOf(fallbacks).length > 0) {
    throw new Refusal("NotSupported", 'fallbacks: this relay does not serve a list of other models; "default" passes.');
  }
  if (objectsOf(json.tools).some(({ type }) => String(type).startsWith("advisor_"))) {
    throw new Refusal("NotSupported", "tools: this relay does not serve the advisor tool: it calls another model.");
  }
}

/** Claude Code names its session in a header and in `metadata.user_id`; a hash counts only where a cache is asked for. */
export function anthropicSessions({ json, text }: RequestBody, { headers }: ClientRequest): string[] {
  const named = [
    textOf(headers["x-claude-code-session-id"]),
    textOf(headers["x-session-id"]),
    sessionOfUser(objectOf(json.metadata)?.user_id),
  ].flatMap((session) => session ?? []);
  if (named.length > 0) return [...new Set(named)];
  if (!text.includes('"cache_control"')) return [];
  return [contentHash([json.model, json.system, listOf(json.messages)[0]])];
}

/** Containers and files live in the account that made them. */
export function anthropicBoundIds(json: JsonObject): string[] {
  const container = json.container;
  const skills = objectsOf(objectOf(container)?.skills).filter(({ type }) => type === "custom");
  return boundIdsOf([
    container,
    objectOf(container)?.id,
    ...skills.map((skill) => skill.skill_id),
    ...contentOf(json).files,
  ]);
}

/** Old form `user_…_account_…_session_<uuid>`; since Claude Code 2.1.78 JSON with `session_id`. Other texts name a user. */
function sessionOfUser(userId: unknown): string | undefined {
  if (typeof userId !== "string") return undefined;
  if (userId.startsWith("{")) return textOf(objectOf(parseJson(userId))?.session_id);
  const [, session] = /_session_([\w-]{8,80})$/.exec(userId) ?? [];
  return session;
}

function serverToolOf(tool: JsonObject): { readonly name: string | undefined; readonly most: number } | undefined {
  const type = String(tool.type ?? "custom");
  const known = serverTools.find(([form]) => form.test(type));
  return known && { name: known[1], most: positiveOf(tool.max_uses) ?? mostCallsUnstated };
}

function addedTokens(tools: readonly JsonObject[]): number {
  if (tools.length === 0) return 0;
  const own = tools.filter(({ type }) => type !== undefined && type !== null && type !== "custom").length;
  return toolInstructionTokens * (1 + own);
}

function hasOwnIterations(json: JsonObject): boolean {
  return hasCompaction(json) || json.fallbacks != null || json.container != null;
}

function hasCompaction(json: JsonObject): boolean {
  const edits = objectsOf(objectOf(json.context_management)?.edits);
  return json.compaction != null || edits.some(({ type }) => String(type).startsWith("compact"));
}

const asciiEscape = /\\u00[2-7]/;
const asciiEscapes = /\\u00([2-7][0-9a-f])/gi;

function unescaped(_escape: string, code: string): string {
  return String.fromCharCode(Number.parseInt(code, 16));
}

/** By the text: a marker may stand at any block. A text that only talks of it makes the reservation larger, no more. */
function cacheWritesOf(body: string): { cacheWrites?: "5m" | "1h" } {
  // JSON lets every letter be written as an escape; nobody does so who has nothing to hide.
  const text = asciiEscape.test(body) ? body.replace(asciiEscapes, unescaped) : body;
  if (!text.includes('"cache_control"')) return {};
  return { cacheWrites: text.includes('"1h"') ? "1h" : "5m" };
}

/** What is dearer than the list: fast mode, and inference that is kept in one region. Without a price it is refused. */
function tierOf(json: JsonObject): { tier?: string } {
  const speed = textOf(json.speed);
  const region = textOf(json.inference_geo);
  const parts = [
    ...(speed === undefined || speed === "standard" ? [] : [speed]),
    ...(region === undefined || region === "global" ? [] : [`geo-${region}`]),
  ];
  return parts.length === 0 ? {} : { tier: parts.join("+") };
}

interface Content {
  images: number;
  /** Something is not in the body, or its tokens are not bounded by its bytes (pages of a PDF). */
  isElsewhere: boolean;
  readonly files: unknown[];
}

/** Looks at content blocks alone, not into the input of tools, which may hold anything. */
function contentOf(json: JsonObject): Content {
  const content: Content = { images: 0, isElsewhere: false, files: [] };
  for (const message of objectsOf(json.messages)) readBlocks(message.content, content, 0);
  readBlocks(json.system, content, 0);
  return content;
}

/** Tool results hold blocks, whose search results hold blocks; nothing nests deeper. */
const mostDepth = 4;

/** More is not looked through: a document's own blocks are no deeper than this, and the stack has an end. */
const mostDocuments = 20;

function readBlocks(blocks: unknown, content: Content, depth: number): void {
  if (depth > mostDocuments) throw new Refusal("BodyInvalid", "The body nests too deeply.");
  for (const block of objectsOf(blocks)) {
    const source = objectOf(block.source);
    const isFile = block.type === "container_upload" || source?.type === "file";
    if (isFile) content.files.push(source?.file_id ?? block.file_id);
    if (isFile || source?.type === "url") content.isElsewhere = true;
    if (block.type === "image") content.images += 1;
    if (block.type === "document" && source?.type === "base64") content.isElsewhere = true;
    if (source?.type === "content") readBlocks(source.content, content, depth + 1);
    const inner = block.content;
    if (depth >= mostDepth || inner === undefined) continue;
    readBlocks(Array.isArray(inner) ? inner : [inner], content, depth + 1);
  }
}
