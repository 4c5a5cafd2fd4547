// Entry: the rules of alerts, read and changed over HTTP, and what became of each delivery.
import * as z from "zod";
import { AuditStore } from "../shared/audit.store.ts";
import { documentClient } from "../shared/aws-clients.ts";
import { readCursor, writeCursor } from "../shared/cursor.ts";
import { defineRoutes } from "../shared/define-routes.ts";
import { tagOfContent } from "../shared/entity-tags.ts";
import { readEnvironment } from "../shared/environment.ts";
import { type EventName, eventSchemas } from "../shared/events.ts";
import { serveAlertsApiEnvironment } from "./config.ts";
import { defaultRules } from "./default-rules.ts";
import { DeliveriesStore } from "./deliveries.store.ts";
import { listedTimes } from "./delivery-times.ts";
import { routes } from "./routes.ts";
import { RulesStore } from "./rules.store.ts";
import { readRules, replaceAllRules, replaceOneRule } from "./rules-of-stage.ts";

export const handler = defineRoutes({
  routes,
  entry: "serve-alerts-api",
  build: () => {
    const { CHANNELS, RULE_DEFAULTS, ...environment } = readEnvironment(serveAlertsApiEnvironment);
    const documents = documentClient();
    const rules = new RulesStore(documents, environment.ALERTS_TABLE);
    const fieldsOf = (name: EventName) => Object.keys(eventSchemas[name].shape);
    const stage = { defaults: defaultRules(RULE_DEFAULTS), channels: CHANNELS, fieldsOf };
    return {
      audit: new AuditStore(documents, environment.AUDIT_TABLE),
      deliveries: new DeliveriesStore(documents, environment.ALERTS_TABLE),
      rules,
      ports: { stage, read: () => rules.read(), tagOf: tagOfContent },
    };
  },
  handlers: {
    listAlertRules: (_request, { ports }) => readRules(ports),
    replaceAlertRules: ({ body, ifMatch: { demand }, caller: { name }, audit }, { ports, rules }) => {
      const by = { name, at: new Date().toISOString() };
      const wanted = body.rules.map(({ origin: _, ...rule }) => rule);
      const item = audit.item({ rules: wanted.length });
      return replaceAllRules(ports, wanted, { demand, by, write: (kept, seen) => rules.write(kept, seen, item) });
    },
    replaceAlertRule: async ({ path, body, ifMatch: { demand }, caller: { name }, audit }, { ports, rules }) => {
      const by = { name, at: new Date().toISOString() };
      const rule = { ruleId: path.ruleId, ...body };
      const item = audit.item({ enabled: rule.enabled });
      const write = (kept: Parameters<RulesStore["write"]>[0], seen: number) => rules.write(kept, seen, item);
      const { etag } = await replaceOneRule(ports, rule, { demand, by, write });
      return { data: rule, etag };
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
