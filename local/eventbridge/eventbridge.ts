// EventBridge of the local cloud: buses, rules, and delivery to targets. Source: the EventBridge API reference
// (JSON 1.1, `AWSEvents.`). Rules come from the templates at boot; over HTTP there are PutEvents and DescribeEventBus only.
import { randomUUID } from "node:crypto";
import { openDurableState } from "../gateway/durable-state.ts";
import { type JsonCall, type JsonInput, jsonService } from "../gateway/json-service.ts";
import type { CloudEvent, EventPort } from "../gateway/ports.ts";
import type { LocalService, ServiceContext } from "../gateway/service.ts";
import { ServiceError } from "../gateway/service.ts";
import { DeliveryQueue } from "./delivery-queue.ts";
import { type Entry, eventOf, readEntries, wholeSeconds } from "./put-events.ts";
import { type BootRule, type CompiledRule, compileRule } from "./rule.ts";
import { runOnSchedule } from "./schedule-expression.ts";
import type { DeliveryOptions } from "./target.ts";

export interface EventBridgeService extends LocalService, EventPort {
  /** The bus "default" is always there. */
  createBus(name: string): { readonly arn: string };
  /** Puts the rule, or replaces the one of that name. Throws ServiceError naming what is not understood. */
  putRule(rule: BootRule): { readonly arn: string };
  /** Begins to deliver (what an earlier process left behind first) and to watch scheduled rules. Call once all is wired. */
  start(): void;
  /** Resolves when no delivery is waiting. */
  settled(): Promise<void>;
}

export function createEventBridgeService(context: ServiceContext, options: DeliveryOptions): EventBridgeService {
  const database = openDurableState(context.stateDirectory, "eventbridge");
  const queue = new DeliveryQueue(database, {
    context,
    options,
    faultService: "eventbridge",
    forwardToBus: (busArn, payload) => {
      const event = JSON.parse(payload) as CloudEvent;
      buses.publish(event, buses.nameOf(busArn), { forwarded: true });
    },
  });
  const buses = new Buses(context, options, queue);
  const service = jsonService({
    name: "events",
    version: "1.1",
    targetPrefix: "AWSEvents",
    operations: {
      PutEvents: (input, call) => buses.putEvents(input, call),
      DescribeEventBus: (input, call) => buses.describe(input, call),
    },
    resourceOf: ({ Entries }) => (Array.isArray(Entries) ? String(Entries[0]?.EventBusName ?? "default") : ""),
    async close() {
      buses.close();
      queue.close();
      database.close();
    },
  });
  return {
    ...service,
    publish: (event, busName) => buses.publish(event, busName ?? "default"),
    createBus: (name) => buses.create(name),
    putRule: (rule) => buses.putRule(rule),
    start() {
      queue.start();
      buses.start();
    },
    settled: () => queue.settled(),
  };
}

class Buses {
  readonly #context: ServiceContext;
  readonly #options: DeliveryOptions;
  readonly #queue: DeliveryQueue;
  readonly #arnPrefix: string;
  readonly #buses = new Set(["default"]);
  /** By ARN. */
  readonly #rules = new Map<string, CompiledRule>();
  /** By rule ARN: ends the watch of a scheduled rule. */
  readonly #watches = new Map<string, AbortController>();
  #started = false;

  constructor(context: ServiceContext, options: DeliveryOptions, queue: DeliveryQueue) {
    this.#context = context;
    this.#options = options;
    this.#queue = queue;
    this.#arnPrefix = `arn:aws:events:${context.region}:${context.accountId}`;
  }

  create(name: string): { arn: string } {
    if (!/^[\w./-]{1,256}$/.test(name)) throw new ServiceError(400, "ValidationException", `${name} is no bus name.`);
    this.#buses.add(name);
    return { arn: this.#arnOf(name) };
  }

  /** From the name or the ARN. */
  nameOf(nameOrArn: string): string {
    const prefix = this.#arnOf("");
    return nameOrArn.startsWith(prefix) ? nameOrArn.slice(prefix.length) : nameOrArn;
  }

  putRule(rule: BootRule): { arn: string } {
    const busName = this.nameOf(rule.busName ?? "default");
    if (!this.#buses.has(busName)) {
      throw new ServiceError(400, "ResourceNotFoundException", `Event bus ${busName} does not exist.`);
    }
    const compiled = compileRule({ ...rule, busName }, this.#arnPrefix);
    this.#rules.set(compiled.arn, compiled);
    if (this.#started) this.#watch(compiled);
    return { arn: compiled.arn };
  }

  describe({ Name = "default" }: JsonInput, { principal }: JsonCall): object {
    const name = this.nameOf(String(Name));
    const arn = this.#arnOf(name);
    this.#context.authorize(principal, "events:DescribeEventBus", arn);
    if (!this.#buses.has(name)) {
      throw new ServiceError(400, "ResourceNotFoundException", `Event bus ${name} does not exist.`);
    }
    return { Name: name, Arn: arn };
  }

  putEvents(body: unknown, call: JsonCall): object {
    const entries = readEntries(body);
    for (const entry of entries) this.#authorizeEntry(entry, call);
    const { accountId: account, region, clock } = this.#context;
    const results = entries.map((entry) => {
      const result = eventOf(entry, { account, region, nowMilliseconds: clock.now() });
      if ("refusal" in result) return result.refusal;
      this.publish(result.event, this.nameOf(entry.EventBusName ?? "default"));
      return { EventId: result.event.id };
    });
    return { FailedEntryCount: results.filter((result) => "ErrorCode" in result).length, Entries: results };
  }

  publish(event: CloudEvent, busName: string, how: { readonly forwarded: boolean } = { forwarded: false }): void {
    if (!this.#buses.has(busName)) {
      // As in AWS, the sender hears nothing of it; here at least the operator does.
      this.#options.onProblem?.(`An event of ${event.source} went to the bus ${busName}, which does not exist.`);
      return;
    }
    for (const rule of this.#rules.values()) {
      if (rule.busName === busName && rule.enabled && rule.matches?.(event)) this.#send(rule, event, how.forwarded);
    }
  }

  start(): void {
    this.#started = true;
    for (const rule of this.#rules.values()) this.#watch(rule);
  }

  close(): void {
    for (const watch of this.#watches.values()) watch.abort();
  }

  /** An event that came from another bus goes to no third one, as in AWS: two buses cannot play ball. */
  #send(rule: CompiledRule, event: CloudEvent, forwarded: boolean): void {
    const facts = {
      ruleArn: rule.arn,
      ruleName: rule.name,
      ingestionTime: wholeSeconds(this.#context.clock.now()),
    };
    for (const target of rule.targets) {
      if (!(forwarded && target.isBus)) this.#queue.add(target.deliveryOf(event, facts));
    }
  }

  #watch(rule: CompiledRule): void {
    this.#watches.get(rule.arn)?.abort();
    const { schedule } = rule;
    if (!schedule || !rule.enabled) return;
    const watch = new AbortController();
    this.#watches.set(rule.arn, watch);
    const startMilliseconds = this.#context.clock.now();
    runOnSchedule({
      clock: this.#context.clock,
      startMilliseconds,
      next: (after) => schedule.next(after, startMilliseconds),
      onDue: (due) => this.#send(rule, this.#scheduledEvent(rule, due), false),
      signal: watch.signal,
    }).catch((error: unknown) => this.#options.onProblem?.(`The schedule of ${rule.arn} broke: ${String(error)}`));
  }

  #scheduledEvent(rule: CompiledRule, dueMilliseconds: number): CloudEvent {
    return {
      version: "0",
      id: randomUUID(),
      "detail-type": "Scheduled Event",
      source: "aws.events",
      account: this.#context.accountId,
      time: wholeSeconds(dueMilliseconds),
      region: this.#context.region,
      resources: [rule.arn],
      detail: {},
    };
  }

  #authorizeEntry(entry: Entry, call: JsonCall): void {
    const bus = this.#arnOf(this.nameOf(entry.EventBusName ?? "default"));
    this.#context.authorize(call.principal, "events:PutEvents", bus, {
      "events:source": entry.Source ?? "",
      "events:detail-type": entry.DetailType ?? "",
    });
  }

  #arnOf(busName: string): string {
    return `${this.#arnPrefix}:event-bus/${busName}`;
  }
}
