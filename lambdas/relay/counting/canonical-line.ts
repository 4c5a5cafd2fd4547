// The one line of each request: OpenTelemetry's names for calls of generative models, and the metrics that CloudWatch counts.
// Source: "Semantic conventions for generative client AI spans"; "Embedded Metric Format specification" (CloudWatch).
import type { UsageRecord } from "./usage-record.ts";

const namespace = "Causeway";

/** Few values each, so that metrics stay few: three platforms, eight outcomes. */
const dimensions = ["service", "platform", "outcome"] as const;

const providerNames: Readonly<Record<UsageRecord["platform"], string>> = {
  anthropic: "anthropic",
  openai: "openai",
  gemini: "gcp.gemini",
};

const operationNames: Readonly<Record<string, string>> = {
  messages: "chat",
  chat: "chat",
  responses: "chat",
  generate: "generate_content",
  embeddings: "embeddings",
  embed: "embeddings",
};

/** What is searched for in logs. */
export function canonicalFields(record: UsageRecord): Record<string, unknown> {
  const { usage } = record;
  return {
    message: "request",
    category: "proxy",
    "gen_ai.operation.name": operationNames[record.operation] ?? record.operation,
    "gen_ai.provider.name": providerNames[record.platform],
    "gen_ai.request.model": record.modelAsked,
    "gen_ai.response.model": record.modelServed,
    // As OpenTelemetry counts: with what came from caches and went into them.
    "gen_ai.usage.input_tokens":
      usage.inputTokens + usage.cacheReadTokens + usage.cacheWrite5mTokens + usage.cacheWrite1hTokens,
    "gen_ai.usage.output_tokens": usage.outputTokens,
    "gen_ai.usage.cache_read.input_tokens": usage.cacheReadTokens,
    "gen_ai.usage.cache_creation.input_tokens": usage.cacheWrite5mTokens + usage.cacheWrite1hTokens,
    ...(record.firstByteMilliseconds !== null && {
      "gen_ai.response.time_to_first_chunk": record.firstByteMilliseconds / 1000,
    }),
    "http.response.status_code": record.status,
    ...(record.reason !== "" && { "error.type": record.reason }),
    "causeway.request.id": record.requestId,
    "causeway.key.id": record.keyId,
    "causeway.account.id": record.accountId,
    "causeway.provider": record.provider,
    "causeway.usage.source": record.usageSource,
    "causeway.charged_nano_usd": record.chargedNanoUsd,
    "causeway.real_nano_usd": record.realNanoUsd,
    "causeway.reserved_nano_usd": record.reservedNanoUsd,
    "causeway.overrun_nano_usd": record.overrunNanoUsd,
    "causeway.price.version": record.priceVersion,
    ...(record.serviceTier !== undefined && { "causeway.service_tier": record.serviceTier }),
    "causeway.milliseconds": record.milliseconds,
    "causeway.extensions": record.extensions,
    "causeway.accounts_tried": record.accountsTried,
    "causeway.stream": record.stream,
    "user_agent.name": record.client,
    "client.network": record.network,
  };
}

/** Counted by CloudWatch from the line itself: nothing is sent, and no function needs a right for it. */
export function metricFields(record: UsageRecord, nowMilliseconds: number): Record<string, unknown> {
  const { usage } = record;
  const isError = record.outcome === "upstream-error" || record.outcome === "relay-error";
  const counts = {
    RelayRequests: 1,
    RelayErrors: isError ? 1 : 0,
    RelayInputTokens: usage.inputTokens + usage.cacheWrite5mTokens + usage.cacheWrite1hTokens,
    RelayCacheReadTokens: usage.cacheReadTokens,
    RelayOutputTokens: usage.outputTokens,
    RelayChargedNanoUsd: record.chargedNanoUsd,
    RelayOverrunNanoUsd: record.overrunNanoUsd,
  };
  const first = record.firstByteMilliseconds;
  return {
    _aws: {
      Timestamp: nowMilliseconds,
      CloudWatchMetrics: [
        {
          Namespace: namespace,
          Dimensions: [["service"], dimensions],
          Metrics: [
            ...Object.keys(counts).map((name) => ({ Name: name, Unit: "Count" })),
            ...(first === null ? [] : [{ Name: "RelayFirstByte", Unit: "Milliseconds" }]),
            { Name: "RelayDuration", Unit: "Milliseconds" },
          ],
        },
      ],
    },
    service: "relay",
    platform: record.platform,
    outcome: record.outcome,
    ...counts,
    ...(first === null ? {} : { RelayFirstByte: first }),
    RelayDuration: record.milliseconds,
  };
}
