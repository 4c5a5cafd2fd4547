// All schedules and groups: kept on disk, watched in cloud time, fired into the delivery journal.
import { createHash, randomBytes } from "node:crypto";
import type { DatabaseSync } from "node:sqlite";
import type { DeliveryQueue } from "../eventbridge/delivery-queue.ts";
import { runOnSchedule } from "../eventbridge/schedule-expression.ts";
import { DurableMap } from "../gateway/durable-state.ts";
import { type ServiceContext, ServiceError } from "../gateway/service.ts";
import type { ScheduleDefinition, ScheduleInput } from "./inputs.ts";
import { checkDefinition, deliveryOf, nextDue, readExpression, type Schedule } from "./schedule.ts";

export interface Group {
  readonly name: string;
  readonly createdAtMilliseconds: number;
}

const mostSchedules = 10_000;

export class ScheduleBook {
  readonly #context: ServiceContext;
  readonly #queue: DeliveryQueue;
  readonly #onProblem: (sentence: string) => void;
  /** By `group/name`. */
  readonly #schedules: DurableMap<Schedule>;
  readonly #groups: DurableMap<Group>;
  /** By `group/name`: what the template said when it was last put, so that a boot without change changes nothing. */
  readonly #templates: DurableMap<string>;
  readonly #watches = new Map<string, AbortController>();
  readonly #putAtBoot = new Set<string>();
  #started = false;

  constructor(
    database: DatabaseSync,
    context: ServiceContext,
    queue: DeliveryQueue,
    onProblem: (sentence: string) => void,
  ) {
    this.#context = context;
    this.#queue = queue;
    this.#onProblem = onProblem;
    this.#schedules = new DurableMap(database, "schedules");
    this.#groups = new DurableMap(database, "groups");
    this.#templates = new DurableMap(database, "templates");
    if (!this.#groups.has("default")) this.putGroup("default");
  }

  /** Throws ConflictException, ResourceNotFoundException (the group), ServiceQuotaExceededException, ValidationException. */
  create(input: ScheduleInput): ScheduleDefinition {
    const now = this.#context.clock.now();
    const definition = checkDefinition(input, now);
    this.group(definition.GroupName);
    const key = keyOf(definition);
    const existing = this.#schedules.get(key);
    if (existing) {
      const isRetry = existing.definition.ClientToken !== undefined && isSame(existing.definition, definition);
      if (isRetry) return existing.definition;
      throw new ServiceError(409, "ConflictException", `Schedule ${definition.Name} already exists.`);
    }
    if (this.#schedules.size >= mostSchedules) {
      throw new ServiceError(402, "ServiceQuotaExceededException", `There are ${mostSchedules} schedules already.`);
    }
    this.#keep({
      definition,
      createdAtMilliseconds: now,
      modifiedAtMilliseconds: now,
      isNew: definition.State === "ENABLED",
      isCompleted: false,
    });
    return definition;
  }

  /** Replaces the whole definition: what is not given goes back to its default. */
  update(input: ScheduleInput): ScheduleDefinition {
    const now = this.#context.clock.now();
    const definition = checkDefinition(input, now);
    const existing = this.find(definition.GroupName, definition.Name);
    this.#keep({ ...existing, definition, modifiedAtMilliseconds: now, isCompleted: false });
    return definition;
  }

  /** Throws ResourceNotFoundException. */
  delete(groupName: string, name: string): void {
    this.#drop(keyOf(this.find(groupName, name).definition));
  }

  /** As the template says; a schedule that an operator changed or that deleted itself stays so until the template changes. */
  putFromTemplate(input: ScheduleInput): void {
    const key = `${input.GroupName ?? "default"}/${input.Name}`;
    const digest = createHash("sha256").update(JSON.stringify(input)).digest("hex");
    this.#putAtBoot.add(key);
    if (this.#templates.get(key) === digest) return;
    if (this.#schedules.has(key)) this.update(input);
    else this.create(input);
    this.#templates.set(key, digest);
  }

  /** Throws ResourceNotFoundException. */
  find(groupName: string, name: string): Schedule {
    this.group(groupName);
    const found = this.#schedules.get(`${groupName}/${name}`);
    if (found) return found;
    throw new ServiceError(404, "ResourceNotFoundException", `Schedule ${name} does not exist.`);
  }

  all(): Schedule[] {
    return this.#schedules.values();
  }

  groups(): Group[] {
    return this.#groups.values();
  }

  /** Throws ResourceNotFoundException. */
  group(name: string): Group {
    const found = this.#groups.get(name);
    if (found) return found;
    throw new ServiceError(404, "ResourceNotFoundException", `Schedule group ${name} does not exist.`);
  }

  putGroup(name: string): void {
    if (this.#groups.has(name)) return;
    this.#groups.set(name, { name, createdAtMilliseconds: this.#context.clock.now() });
  }

  deleteGroup(name: string): void {
    if (name === "default") throw new ServiceError(400, "ValidationException", "The default group stays.");
    this.group(name);
    for (const [key, schedule] of this.#schedules.entries()) {
      if (schedule.definition.GroupName === name) this.#drop(key);
    }
    this.#groups.delete(name);
  }

  /** Schedules that came from a template and are not in it any more go. */
  start(): void {
    this.#started = true;
    for (const [key] of this.#templates.entries()) {
      if (this.#putAtBoot.has(key)) continue;
      this.#templates.delete(key);
      if (this.#schedules.has(key)) this.#drop(key);
    }
    for (const schedule of this.#schedules.values()) this.#watch(schedule);
  }

  close(): void {
    for (const watch of this.#watches.values()) watch.abort();
  }

  fire(schedule: Schedule, scheduledAtMilliseconds: number): void {
    const { definition } = schedule;
    const { accountId: account, region, faults } = this.#context;
    const window = definition.FlexibleTimeWindow;
    const windowMilliseconds = window.Mode === "FLEXIBLE" ? window.MaximumWindowInMinutes * 60_000 : 0;
    const delivery = deliveryOf(definition, {
      scheduleArn: this.arnOf(definition),
      groupArn: this.groupArnOf(definition.GroupName),
      scheduledAtMilliseconds,
      executionId: randomBytes(8).toString("hex"),
      account,
      region,
    });
    this.#queue.add(delivery, windowMilliseconds > 0 ? faults.random() * windowMilliseconds : 0);
  }

  arnOf(schedule: { readonly GroupName: string; readonly Name: string }): string {
    return `${this.#arnPrefix}:schedule/${schedule.GroupName}/${schedule.Name}`;
  }

  groupArnOf(name: string): string {
    return `${this.#arnPrefix}:schedule-group/${name}`;
  }

  get #arnPrefix(): string {
    return `arn:aws:scheduler:${this.#context.region}:${this.#context.accountId}`;
  }

  #keep(schedule: Schedule): void {
    this.#schedules.set(keyOf(schedule.definition), schedule);
    if (this.#started) this.#watch(schedule);
  }

  #drop(key: string): void {
    this.#watches.get(key)?.abort();
    this.#watches.delete(key);
    this.#schedules.delete(key);
  }

  #watch(watched: Schedule): void {
    const key = keyOf(watched.definition);
    this.#watches.get(key)?.abort();
    if (watched.definition.State === "DISABLED") return;
    const watch = new AbortController();
    this.#watches.set(key, watch);
    const startMilliseconds = watched.isNew ? watched.createdAtMilliseconds - 1 : this.#context.clock.now();
    if (watched.isNew) this.#schedules.set(key, { ...watched, isNew: false });
    const expression = readExpression(watched.definition);
    const current = () => this.#schedules.get(key);
    runOnSchedule({
      clock: this.#context.clock,
      startMilliseconds,
      next: (after) => {
        const schedule = current();
        return schedule && nextDue(schedule, expression, after);
      },
      onDue: (due) => {
        const schedule = current();
        if (!schedule) return;
        this.fire(schedule, due);
        if (expression.kind === "at") this.#schedules.set(key, { ...schedule, isCompleted: true });
      },
      signal: watch.signal,
    })
      .then(() => {
        const deletesItself = current()?.definition.ActionAfterCompletion === "DELETE";
        if (!watch.signal.aborted && deletesItself) this.#drop(key);
      })
      .catch((error: unknown) => this.#onProblem(`The schedule ${key} broke: ${String(error)}`));
  }
}

function keyOf(definition: { readonly GroupName: string; readonly Name: string }): string {
  return `${definition.GroupName}/${definition.Name}`;
}

function isSame(left: ScheduleDefinition, right: ScheduleDefinition): boolean {
  return JSON.stringify(left) === JSON.stringify(right);
}
