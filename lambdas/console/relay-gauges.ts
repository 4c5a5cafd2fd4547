// What the metrics say of the relay: today's requests, tokens and charges by platform. They begin anew at midnight UTC.
import type { RelayFigures } from "./relay-figures.store.ts";
import type { Gauge } from "./render-metrics.ts";

const nanoPerUsd = 1_000_000_000;

const tokenKinds = {
  input: (figures: RelayFigures) => figures.inputTokens,
  cache_write: (figures: RelayFigures) => figures.cacheWrite5mTokens + figures.cacheWrite1hTokens,
  cache_read: (figures: RelayFigures) => figures.cacheReadTokens,
  output: (figures: RelayFigures) => figures.outputTokens,
} as const;

/** A platform without a request today is left out. */
export function relayGauges(byPlatform: ReadonlyMap<string, RelayFigures>): Gauge[] {
  const platforms = [...byPlatform].toSorted(([one], [other]) => (one < other ? -1 : 1));
  const gauge = (name: string, help: string, read: (figures: RelayFigures) => number): Gauge => ({
    name,
    help,
    samples: platforms.map(([platform, figures]) => ({ labels: { platform }, value: read(figures) })),
  });
  return [
    gauge("causeway_relay_requests_today", "Requests to the relay since midnight UTC", ({ requests }) => requests),
    gauge(
      "causeway_relay_refused_today",
      "Requests that the relay refused since midnight UTC",
      ({ refused }) => refused,
    ),
    gauge(
      "causeway_relay_failed_today",
      "Requests that failed upstream or here since midnight UTC",
      ({ failed }) => failed,
    ),
    {
      name: "causeway_relay_tokens_today",
      help: "Tokens by kind since midnight UTC",
      samples: platforms.flatMap(([platform, figures]) =>
        Object.entries(tokenKinds).map(([kind, count]) => ({ labels: { platform, kind }, value: count(figures) })),
      ),
    },
    gauge(
      "causeway_relay_charged_usd_today",
      "Charged to keys since midnight UTC, in dollars",
      ({ chargedNanoUsd }) => chargedNanoUsd / nanoPerUsd,
    ),
  ];
}
