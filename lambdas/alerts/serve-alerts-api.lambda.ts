// Entry: the rules of alerts, read and changed over HTTP, and what became of each delivery.
import * as z from "zod";
import { AuditStore } from "../shared/audit.store.ts";
import { documentClient } from "../shared/aws-clients.ts";
import { readCursor, writeCursor } from "../shared/cursor.ts";
import { defineRoutes } from "../shared/define-routes.ts";
import { tagOfContent } from "../shared/entity-tags.ts";
import { readEnvironment } from "../shared/environment.ts";
import { type EventName, eventSchemas } from "../shared/events.ts";
import { changeAll, changeOne, viewRules } from "./answer-rules.ts";
import { serveAlertsApiEnvironment } from "./config.ts";
import { defaultRules } from "./default-rules.ts";
import { DeliveriesStore } from "./deliveries.store.ts";
import { listedTimes } from "./delivery-times.ts";
import { routes } from "./routes.ts";
import { RulesStore } from "./rules.store.ts";

/** Of the version that is kept and of what the code has: a kept rule's own fields come in any order from DynamoDB. */
const tag = ({ defaults }: { defaults: object }, { version }: { version: number }) =>
  tagOfContent(JSON.stringify({ version, defaults }));

export const handler = defineRoutes({
  routes,
  entry: "serve-alerts-api",
  build: () => {
    const environment = readEnvironment(serveAlertsApiEnvironment);
    const documents = documentClient();
    return {
      audit: new AuditStore(documents, environment.AUDIT_TABLE),
      rules: new RulesStore(documents, environment.ALERTS_TABLE),
      deliveries: new DeliveriesStore(documents, environment.ALERTS_TABLE),
      stage: {
        defaults: defaultRules(environment.RULE_DEFAULTS),
        channels: environment.CHANNELS,
        fieldsOf: (name: EventName) => Object.keys(eventSchemas[name].shape),
      },
    };
  },
  handlers: {
    listAlertRules: async (_request, { rules, stage }) => {
      const kept = await rules.read();
      return { data: viewRules(stage, kept), etag: tag(stage, kept) };
    },
    replaceAlertRules: async ({ body, ifMatch, caller, audit }, { rules, stage }) => {
      const seen = await rules.read();
      ifMatch.demand(tag(stage, seen));
      const wanted = body.rules.map(({ origin: _, ...rule }) => rule);
      const kept = changeAll(stage, seen, wanted, { name: caller.name, at: new Date().toISOString() });
      await rules.write(kept, seen.version, audit.item({ rules: kept.rules.map(({ ruleId }) => ruleId) }));
      return { data: viewRules(stage, kept), etag: tag(stage, kept) };
    },
    replaceAlertRule: async ({ path, body, ifMatch, caller, audit }, { rules, stage }) => {
      const seen = await rules.read();
      ifMatch.demand(tag(stage, seen));
      const rule = { ruleId: path.ruleId, ...body };
      const kept = changeOne(stage, seen, rule, { name: caller.name, at: new Date().toISOString() });
      await rules.write(kept, seen.version, audit.item({ enabled: rule.enabled }));
      return { data: rule, etag: tag(stage, kept) };
    },
    listAlertDeliveries: async ({ query: { cursor, limit, ...filter } }, { deliveries }) => {
      const scope = ["listAlertDeliveries", filter];
      const { newest, oldest } = listedTimes(Date.now());
      const before = readCursor(scope, cursor, z.string().regex(/^\d{4}-\d{2}-/)) ?? newest;
      const { items, after } = await deliveries.list(filter, before, oldest, limit);
      return { data: { items, cursor: after === undefined ? null : writeCursor(scope, after) } };
    },
  },
});
