// What /metrics says of the relay: today's figures by platform, and nothing where there were no requests.
import { describe, expect, it } from "vitest";
import { relayGauges } from "../../../lambdas/console/relay-gauges.ts";
import { renderMetrics } from "../../../lambdas/console/render-metrics.ts";

const figures = {
  requests: 7,
  refused: 2,
  failed: 1,
  inputTokens: 100,
  cacheWrite5mTokens: 10,
  cacheWrite1hTokens: 5,
  cacheReadTokens: 1000,
  outputTokens: 50,
  chargedNanoUsd: 2_500_000_000,
};

describe("the metrics of the relay", () => {
  it("are today's figures of each platform", () => {
    const text = renderMetrics(
      relayGauges(
        new Map([
          ["openai", figures],
          ["anthropic", { ...figures, requests: 3 }],
        ]),
      ),
    );
    expect(text.match(/^causeway_relay_requests_today.*$/gm)).toEqual([
      'causeway_relay_requests_today{platform="anthropic"} 3',
      'causeway_relay_requests_today{platform="openai"} 7',
    ]);
    expect(text).toContain('causeway_relay_tokens_today{platform="openai",kind="cache_write"} 15\n');
    expect(text).toContain('causeway_relay_charged_usd_today{platform="openai"} 2.5\n');
  });

  it("are left out while nobody has asked for anything", () => {
    expect(renderMetrics(relayGauges(new Map()))).toBe("# EOF\n");
  });
});
