// What is said of each request: one line with OpenTelemetry's names and CloudWatch's metrics; and the levels of the log.
import { describe, expect, it } from "vitest";
import { canonicalFields, metricFields } from "../../../../lambdas/relay/counting/canonical-line.ts";
import { RelayLog } from "../../../../lambdas/relay/relay-log.ts";
import { relaySettingsSchema } from "../../../../lambdas/relay/settings.ts";
import { noon, recordAt } from "./sample-records.ts";

describe("the line of a request", () => {
  it("has OpenTelemetry's names, and input with what caches gave and took", () => {
    expect(canonicalFields(recordAt(noon))).toMatchObject({
      "gen_ai.operation.name": "chat",
      "gen_ai.provider.name": "anthropic",
      "gen_ai.request.model": "claude-opus-5-5",
      "gen_ai.usage.input_tokens": 1115,
      "gen_ai.usage.output_tokens": 50,
      "gen_ai.usage.cache_read.input_tokens": 1000,
      "gen_ai.response.time_to_first_chunk": 0.4,
      "causeway.charged_nano_usd": 2_000_000,
    });
  });

  it("names an error only where there was one", () => {
    expect(canonicalFields(recordAt(noon))).not.toHaveProperty("error.type");
    expect(canonicalFields(recordAt(noon, { reason: "BudgetReached" }))).toHaveProperty("error.type", "BudgetReached");
  });

  it("carries metrics that each have a value, under few dimensions", () => {
    for (const record of [recordAt(noon), recordAt(noon, { firstByteMilliseconds: null, outcome: "relay-error" })]) {
      const line = metricFields(record, noon);
      const { CloudWatchMetrics } = line._aws as {
        CloudWatchMetrics: { Dimensions: string[][]; Metrics: { Name: string }[] }[];
      };
      for (const { Dimensions, Metrics } of CloudWatchMetrics) {
        for (const { Name } of Metrics) expect(line[Name], Name).toBeTypeOf("number");
        for (const name of Dimensions.flat()) expect(line[name], name).toBeTypeOf("string");
        expect(new Set(Dimensions.flat())).toEqual(new Set(["service", "platform", "outcome"]));
      }
      expect(line.RelayErrors).toBe(record.outcome === "relay-error" ? 1 : 0);
    }
  });
});

describe("the relay's log", () => {
  function logAt(
    levels: Partial<Record<"main" | "proxy" | "sync" | "scheduler", "DEBUG" | "INFO" | "WARN" | "ERROR">>,
  ) {
    const lines: [string, string, unknown][] = [];
    const keep = (level: string) => (message: string, fields?: unknown) => void lines.push([level, message, fields]);
    const { logLevels } = relaySettingsSchema.parse({ logLevels: levels });
    return {
      lines,
      log: new RelayLog({ info: keep("info"), warn: keep("warn"), error: keep("error") }, () => logLevels),
    };
  }

  it("has a level of its own for each category", () => {
    const { lines, log } = logAt({ proxy: "ERROR", scheduler: "WARN" });
    for (const category of ["main", "proxy", "scheduler"] as const) {
      log.info(category, "a");
      log.warn(category, "b");
      log.error(category, "c");
    }
    expect(lines.map(([level, , fields]) => [level, (fields as { category: string }).category])).toEqual([
      ["info", "main"],
      ["warn", "main"],
      ["error", "main"],
      ["error", "proxy"],
      ["warn", "scheduler"],
      ["error", "scheduler"],
    ]);
  });

  it("writes details only where they are asked for, at a level that Lambda lets through", () => {
    const { lines, log } = logAt({ sync: "DEBUG" });
    log.debug("main", "left out");
    log.debug("sync", "kept", { rows: 3 });
    expect(lines).toEqual([["info", "kept", { category: "sync", detail: true, rows: 3 }]]);
  });
});
