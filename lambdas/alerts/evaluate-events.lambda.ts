// Entry: events of the bus, from their queue: each is counted once, and what is to be told is kept and announced.
import { EventBridgeClient } from "@aws-sdk/client-eventbridge";
import { SQSClient } from "@aws-sdk/client-sqs";
import * as z from "zod";
import { documentClient, smallCalls } from "../shared/aws-clients.ts";
import { namedError } from "../shared/aws-errors.ts";
import { readBusEvent } from "../shared/bus-event.ts";
import { readEnvironment } from "../shared/environment.ts";
import { eventSender } from "../shared/events.ts";
import { log } from "../shared/log.ts";
import { makeHandler } from "../shared/make-handler.ts";
import { evaluateEventsEnvironment } from "./config.ts";
import { defaultRules, effectiveRules } from "./default-rules.ts";
import { type EvaluatePorts, evaluateEvent } from "./evaluate-event.ts";
import { IncidentsStore } from "./incidents.store.ts";
import { QueuesStore } from "./queues.store.ts";
import { RulesStore } from "./rules.store.ts";
import { signsOfLife } from "./signs-of-life.ts";
import { SilenceStore } from "./silence.store.ts";

export const handler = makeHandler({
  input: z.object({ Records: z.array(z.object({ messageId: z.string(), body: z.string() })) }),
  build: () => {
    const environment = readEnvironment(evaluateEventsEnvironment);
    const documents = documentClient();
    const incidents = new IncidentsStore(documents, environment.ALERTS_TABLE);
    const silence = new SilenceStore(documents, environment.ALERTS_TABLE);
    const events = eventSender(new EventBridgeClient(smallCalls), environment.EVENT_BUS_NAME, "causeway.alerts");
    const queues = new QueuesStore(new SQSClient(smallCalls));
    const ports: EvaluatePorts = {
      read: (key) => incidents.read(key),
      write: (change) => incidents.write(change),
      noteLife: async (event) => {
        for (const item of signsOfLife(event)) await silence.noteLife(item, event.at);
      },
      announce: (recovered) => events.send("AlertRecovered", [recovered]),
      channels: environment.CHANNELS.map(({ name }) => name),
      timeZone: environment.TIME_ZONE,
      now: () => Date.now(),
    };
    const rules = new RulesStore(documents, environment.ALERTS_TABLE);
    return { environment, ports, rules, defaults: defaultRules(environment.RULE_DEFAULTS), queues };
  },
  run: async ({ Records }, { environment, ports, rules, defaults, queues }) => {
    const inForce = effectiveRules(defaults, (await rules.read()).rules);
    const batchItemFailures: { itemIdentifier: string }[] = [];
    let deliveries = 0;
    for (const { messageId, body } of Records) {
      try {
        deliveries += await evaluateEvent(readBusEvent(body), inForce, ports);
      } catch (thrown) {
        const { name, message } = namedError(thrown);
        log.error(message, { error: name, messageId });
        batchItemFailures.push({ itemIdentifier: messageId });
      }
    }
    if (deliveries > 0) await queues.wake(environment.WAKE_QUEUE_URL);
    return { batchItemFailures };
  },
});
