// Errors in each vendor's own envelope, with what that vendor says when the script says no more than the status.
import type { Platform, VendorError } from "./behaviour.ts";
import { asObject, type JsonObject } from "./read-json.ts";

interface Said {
  readonly type: string;
  readonly code?: string | null;
  readonly message: string;
  readonly details?: readonly unknown[];
}

/** facts/relay.md 2.1. 529 is Anthropic's own status. */
const anthropic: Readonly<Record<number, Said>> = {
  400: { type: "invalid_request_error", message: "The request is invalid." },
  401: { type: "authentication_error", message: "invalid x-api-key" },
  402: { type: "billing_error", message: "Your credit balance is too low to access the Anthropic API." },
  403: { type: "permission_error", message: "Your API key does not have permission to use the specified resource." },
  404: { type: "not_found_error", message: "Not found" },
  409: { type: "conflict_error", message: "The request conflicts with another one." },
  413: { type: "request_too_large", message: "Request exceeds the maximum size" },
  422: { type: "invalid_request_error", message: "The request cannot be processed." },
  429: { type: "rate_limit_error", message: "This request would exceed your organization's rate limit." },
  500: { type: "api_error", message: "Internal server error" },
  503: { type: "api_error", message: "Service temporarily unavailable" },
  504: { type: "timeout_error", message: "The request timed out." },
  529: { type: "overloaded_error", message: "Overloaded" },
};

/** facts/relay.md 2.2. */
const openai: Readonly<Record<number, Said>> = {
  400: { type: "invalid_request_error", code: null, message: "The request is invalid." },
  401: { type: "invalid_request_error", code: "invalid_api_key", message: "Incorrect API key provided." },
  402: { type: "insufficient_quota", code: "insufficient_quota", message: "Insufficient balance." },
  403: {
    type: "request_forbidden",
    code: "unsupported_country_region_territory",
    message: "Country, region, or territory not supported",
  },
  404: { type: "invalid_request_error", code: null, message: "Not found" },
  413: { type: "invalid_request_error", code: "request_too_large", message: "The request is too large." },
  422: { type: "invalid_request_error", code: null, message: "The request cannot be processed." },
  429: { type: "requests", code: "rate_limit_exceeded", message: "Rate limit reached for requests." },
  500: {
    type: "server_error",
    code: null,
    message: "The server had an error while processing your request. Sorry about that!",
  },
  503: {
    type: "service_unavailable_error",
    code: null,
    message: "The engine is currently overloaded, please try again later",
  },
};

const insufficientQuota: Said = {
  type: "insufficient_quota",
  code: "insufficient_quota",
  message: "You exceeded your current quota, please check your plan and billing details.",
};

const errorInfo = (reason: string) => ({
  "@type": "type.googleapis.com/google.rpc.ErrorInfo",
  reason,
  domain: "googleapis.com",
  metadata: { service: "generativelanguage.googleapis.com" },
});

/** facts/relay.md 2.3. An API key that Google does not know is a 400 with the reason API_KEY_INVALID, not a 401. */
const gemini: Readonly<Record<number, Said>> = {
  400: { type: "INVALID_ARGUMENT", message: "Request contains an invalid argument." },
  401: {
    type: "UNAUTHENTICATED",
    message: "Request had invalid authentication credentials. Expected OAuth 2 access token.",
    details: [errorInfo("ACCESS_TOKEN_TYPE_UNSUPPORTED")],
  },
  402: { type: "FAILED_PRECONDITION", message: "Your prepayment credits are depleted." },
  403: { type: "PERMISSION_DENIED", message: "The caller does not have permission" },
  404: { type: "NOT_FOUND", message: "Requested entity was not found." },
  413: { type: "INVALID_ARGUMENT", message: "Request payload size exceeds the limit." },
  429: { type: "RESOURCE_EXHAUSTED", message: "Resource has been exhausted (e.g. check quota)." },
  500: { type: "INTERNAL", message: "An internal error has occurred." },
  503: { type: "UNAVAILABLE", message: "The model is overloaded. Please try again later." },
  504: { type: "DEADLINE_EXCEEDED", message: "Deadline expired before operation could complete." },
};

const unheardOf: Readonly<Record<Platform, Said>> = {
  anthropic: { type: "api_error", message: "Unexpected error" },
  openai: { type: "server_error", code: null, message: "Unexpected error" },
  gemini: { type: "UNKNOWN", message: "Unexpected error" },
};

export const errors = {
  invalidGeminiKey: {
    status: 400,
    type: "INVALID_ARGUMENT",
    message: "API key not valid. Please pass a valid API key.",
    details: [errorInfo("API_KEY_INVALID")],
  },
} satisfies Record<string, VendorError>;

/** The error object as it stands in an answer's body and in a stream. `requestId` is Anthropic's field alone. */
export function errorEnvelope(platform: Platform, error: VendorError, requestId: string): JsonObject {
  const said = saidBy(platform, error);
  const type = error.type ?? said.type;
  const message = error.message ?? said.message;
  if (platform === "anthropic") {
    const details = {
      ...(typeof error.code === "string" && { error_code: error.code }),
      ...(asObject(error.details) ?? {}),
    };
    const inner = { type, message, ...(Object.keys(details).length > 0 && { details }) };
    return { type: "error", error: inner, request_id: requestId };
  }
  if (platform === "openai") {
    const code = error.code === undefined ? (said.code ?? null) : error.code;
    return { error: { message, type, param: error.param ?? null, code } };
  }
  const details = error.details ?? said.details;
  return { error: { code: error.status, message, status: type, ...(details !== undefined && { details }) } };
}

function saidBy(platform: Platform, error: VendorError): Said {
  if (platform === "openai" && (error.code === "insufficient_quota" || error.type === "insufficient_quota")) {
    return insufficientQuota;
  }
  return { anthropic, openai, gemini }[platform][error.status] ?? unheardOf[platform];
}
