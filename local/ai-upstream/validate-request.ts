// What vendors refuse about a request itself: the refusals that show whether a relay has changed what it passed on.
import type { IncomingHttpHeaders } from "node:http";
import type { Operation, Platform, VendorError } from "./behaviour.ts";
import { type Asked, isCompactionTrigger } from "./read-asked.ts";
import { asList, asObject, asText, type JsonObject } from "./read-json.ts";

/** Anthropic's own limit (facts/relay.md 2.1); the others' are not far from it. */
const largestRequestBytes = 32 * 1024 * 1024;
const samplingFields = ["temperature", "top_p", "top_k"];
/** From this version on Anthropic refuses sampling fields (facts/relay.md 2.1). */
const versionWithoutSampling = "2026-10-21";
const anthropicVersions = ["2023-01-01", "2023-06-01", versionWithoutSampling];

/** Fields that Anthropic takes only together with a beta of this name. */
const betaFields: readonly (readonly [field: string, betas: RegExp])[] = [
  ["context_management", /context-management|compact/],
  ["mcp_servers", /mcp-client/],
];

/** How models of each vendor begin; another vendor's model is none that this one knows. */
const families: Readonly<Record<Platform, RegExp>> = {
  anthropic: /^claude-/,
  openai: /^(gpt-|o\d|chatgpt-|codex-|text-embedding-|davinci)/,
  gemini: /^(models\/)?(gemini|gemma|imagen|text-embedding-00|embedding-00)/,
};

/** `json`: undefined when the body is none. Undefined when nothing is to be said against the request. */
export function validateRequest(asked: Asked, json: unknown, headers: IncomingHttpHeaders): VendorError | undefined {
  const { platform, operation } = asked;
  if (operation === "unknown") return unknownPath(platform);
  if (operation === "hello") return undefined;
  if (platform === "anthropic") {
    const problem = anthropicVersion(headers);
    if (problem) return problem;
  }
  if (takesNoBody.has(operation)) return undefined;
  if (asked.inputBytes > largestRequestBytes) return { status: 413 };
  const body = asObject(json);
  if (!body) return notJson(platform);
  const wrong = checks[platform](asked, body, headers);
  if (wrong) return wrong;
  // Claude Code's own mark for a large window is no part of any name (anthropics/claude-code#81142).
  if (platform === "anthropic" && asked.model.includes("[")) return unknownModel(platform, asked.model);
  const others = Object.entries(families).filter(([name]) => name !== platform);
  return others.some(([, family]) => family.test(asked.model)) ? unknownModel(platform, asked.model) : undefined;
}

export function unknownModel(platform: Platform, model: string): VendorError {
  const message = {
    anthropic: `model: ${model}`,
    openai: `The model \`${model}\` does not exist or you do not have access to it.`,
    gemini: `models/${model} is not found for API version v1beta, or is not supported for this method. Call ListModels to see the list of available models and their supported methods.`,
  };
  return { status: 404, message: message[platform], ...(platform === "openai" && { code: "model_not_found" }) };
}

const takesNoBody = new Set<Operation>([
  ...([
    "anthropic.models",
    "anthropic.model",
    "openai.models",
    "openai.model",
    "gemini.models",
    "gemini.model",
  ] as const),
]);

const checks = { anthropic: checkAnthropic, openai: checkOpenai, gemini: checkGemini };

function anthropicVersion(headers: IncomingHttpHeaders): VendorError | undefined {
  const version = headers["anthropic-version"];
  if (version === undefined) return { status: 400, message: "anthropic-version: header is required" };
  if (typeof version === "string" && anthropicVersions.includes(version)) return undefined;
  return { status: 400, message: `anthropic-version: ${JSON.stringify(version)} is not a valid version` };
}

function checkAnthropic({ operation }: Asked, body: JsonObject, headers: IncomingHttpHeaders): VendorError | undefined {
  const required = operation === "anthropic.messages" ? ["model", "max_tokens", "messages"] : ["model", "messages"];
  const missing = required.find((name) => body[name] === undefined);
  if (missing) return { status: 400, message: `${missing}: Field required` };
  if (!Array.isArray(body.messages)) return { status: 400, message: "messages: Input should be a valid list" };
  if (typeof body.max_tokens === "number" && body.max_tokens < 1) {
    return { status: 400, message: "max_tokens: must be greater than or equal to 1" };
  }
  const betas = String(headers["anthropic-beta"] ?? "");
  const alone = betaFields.find(([field, beta]) => body[field] !== undefined && !beta.test(betas));
  if (alone) return { status: 400, message: `${alone[0]}: Extra inputs are not permitted` };
  if (headers["anthropic-version"] !== versionWithoutSampling) return undefined;
  const sampling = samplingFields.find((name) => body[name] !== undefined);
  return sampling ? { status: 400, message: `${sampling}: not supported in this API version` } : undefined;
}

/** What a request may name where it brings no input of its own. */
const insteadOfInput: Partial<Record<Operation, readonly string[]>> = {
  "openai.responses": ["prompt", "previous_response_id"],
  "openai.compact": ["previous_response_id"],
  "openai.count-tokens": ["previous_response_id", "conversation"],
};

function checkOpenai({ operation, stream }: Asked, body: JsonObject): VendorError | undefined {
  // A count of tokens needs no model (the SDK's types).
  if (body.model === undefined && operation !== "openai.count-tokens") {
    return { status: 400, message: "you must provide a model parameter" };
  }
  const required = operation === "openai.chat" ? "messages" : "input";
  const instead = insteadOfInput[operation] ?? [];
  if ([required, ...instead].every((name) => body[name] === undefined || body[name] === null)) {
    return {
      status: 400,
      message: `Missing required parameter: '${required}'.`,
      param: required,
      code: "missing_required_parameter",
    };
  }
  if (body.stream_options !== undefined && body.stream_options !== null && !stream) {
    const message = "The 'stream_options' parameter is only allowed when 'stream' is enabled.";
    return { status: 400, message, param: "stream_options", code: null };
  }
  if (asList(body.input).slice(0, -1).some(isCompactionTrigger)) {
    return { status: 400, message: "A 'compaction_trigger' must be the last item of the input.", param: "input" };
  }
  const conversation = asText(asObject(body.conversation)?.id ?? body.conversation);
  if (conversation !== undefined) {
    // Nothing here makes one.
    return { status: 404, message: `Conversation with id '${conversation}' not found.`, code: null };
  }
  if (body.background === true) {
    return { status: 400, message: "The local upstream has no background responses.", param: "background" };
  }
  return undefined;
}

function checkGemini({ operation }: Asked, body: JsonObject): VendorError | undefined {
  if (body.cachedContent !== undefined) {
    return { status: 403, message: "CachedContent not found (or permission denied)" };
  }
  const required = { "gemini.embed": "content", "gemini.batch-embed": "requests" }[operation as string] ?? "contents";
  // countTokens takes the whole request instead, too.
  if (
    body[required] !== undefined ||
    (operation === "gemini.count-tokens" && body.generateContentRequest !== undefined)
  ) {
    return undefined;
  }
  return { status: 400, message: `* GenerateContentRequest.${required}: ${required} is not specified\n` };
}

function notJson(platform: Platform): VendorError {
  const message = {
    anthropic: "The request body is not valid JSON",
    openai: "We could not parse the JSON body of your request.",
    gemini: "Invalid JSON payload received. Unexpected end of string.",
  };
  return { status: 400, message: message[platform] };
}

function unknownPath(platform: Platform): VendorError {
  return platform === "openai" ? { status: 404, message: "Invalid URL", code: null } : { status: 404 };
}
