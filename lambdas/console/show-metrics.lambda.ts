// Entry: the metrics, for whoever has their token.
import { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { documentClient, smallCalls } from "../shared/aws-clients.ts";
import { defineRoutes } from "../shared/define-routes.ts";
import { readEnvironment } from "../shared/environment.ts";
import { JobsStore } from "../shared/jobs.store.ts";
import { collectMetrics } from "./collect-metrics.ts";
import { showMetricsEnvironment } from "./config.ts";
import { MetricsTokenStore } from "./metrics-token.store.ts";
import { RelayFiguresStore } from "./relay-figures.store.ts";
import { relayGauges } from "./relay-gauges.ts";
import { renderMetrics } from "./render-metrics.ts";
import { routes } from "./routes.ts";
import { StateListsStore } from "./state-lists.store.ts";

export const handler = defineRoutes({
  routes,
  entry: "show-metrics",
  build: () => {
    const environment = readEnvironment(showMetricsEnvironment);
    const documents = documentClient();
    const secret = new MetricsTokenStore(new SecretsManagerClient(smallCalls), environment.METRICS_TOKEN_SECRET_ID);
    const { COPIES_TABLE: copies, EXPORTS_TABLE: exported, MIRROR_TABLE: mirror } = environment;
    return {
      metricsToken: () => secret.token(Date.now()),
      jobs: new JobsStore(documents, environment.JOBS_TABLE),
      lists: new StateListsStore(documents),
      relay: new RelayFiguresStore(documents, environment.RELAY_TOTALS_TABLE),
      tables: { copies, exports: exported, mirror },
    };
  },
  handlers: {
    showMetrics: async (_request, { jobs, lists, tables, relay }) => {
      const [gauges, figures] = await Promise.all([
        collectMetrics(tables, {
          jobs: (question) => jobs.list(question),
          list: (question) => lists.read(question),
        }),
        relay.ofDay(Date.now()),
      ]);
      return { content: renderMetrics([...gauges, ...relayGauges(figures)]) };
    },
  },
});
