// EventBridge Scheduler of the local cloud: the REST front over the book of schedules.
// Source: the EventBridge Scheduler API reference (REST JSON; operations are told apart by method and path).
import { DeliveryQueue } from "../eventbridge/delivery-queue.ts";
import type { DeliveryOptions } from "../eventbridge/target.ts";
import { openDurableState } from "../gateway/durable-state.ts";
import { parseInput } from "../gateway/parse-input.ts";
import type { LocalService, Principal, ServiceContext, ServiceRequest } from "../gateway/service.ts";
import { ServiceError } from "../gateway/service.ts";
import * as inputs from "./inputs.ts";
import type { Schedule } from "./schedule.ts";
import { atAttempt } from "./schedule.ts";
import { ScheduleBook } from "./schedule-book.ts";

export interface SchedulerService extends LocalService {
  /** From a template. Throws ServiceError naming what is wrong. */
  putSchedule(schedule: inputs.ScheduleInput): { readonly arn: string };
  putGroup(name: string): { readonly arn: string };
  /** Begins to watch and to deliver. Call once all schedules are put and all targets are wired. */
  start(): void;
  /** Fires by hand, `group/name` or a name of the default group; also when disabled. Default time: now. */
  fire(name: string, scheduledAtMilliseconds?: number): void;
  /** Resolves when no delivery is waiting. */
  settled(): Promise<void>;
}

interface Call {
  readonly book: ScheduleBook;
  readonly context: ServiceContext;
  readonly principal: Principal;
  /** From the path; "" in listings. */
  readonly name: string;
  readonly query: URLSearchParams;
  readonly body: Readonly<Record<string, unknown>>;
}

/** By method and collection, `*` standing for a name in the path. */
const operationNames: Readonly<Record<string, string>> = {
  "POST /schedules/*": "CreateSchedule",
  "GET /schedules/*": "GetSchedule",
  "PUT /schedules/*": "UpdateSchedule",
  "DELETE /schedules/*": "DeleteSchedule",
  "GET /schedules": "ListSchedules",
  "POST /schedule-groups/*": "CreateScheduleGroup",
  "GET /schedule-groups/*": "GetScheduleGroup",
  "DELETE /schedule-groups/*": "DeleteScheduleGroup",
  "GET /schedule-groups": "ListScheduleGroups",
};

const operations: Readonly<Record<string, (call: Call) => object>> = {
  CreateSchedule: (call) => putSchedule(call, "CreateSchedule"),
  UpdateSchedule: (call) => putSchedule(call, "UpdateSchedule"),
  GetSchedule({ book, name, query, ...call }) {
    const GroupName = query.get("groupName") ?? "default";
    authorize(call, "GetSchedule", book.arnOf({ GroupName, Name: name }));
    const schedule = book.find(GroupName, name);
    const { ClientToken: _, ...definition } = schedule.definition;
    return { ...definition, ...factsOf(book, schedule), Target: definition.Target };
  },
  DeleteSchedule({ book, name, query, ...call }) {
    const GroupName = query.get("groupName") ?? "default";
    authorize(call, "DeleteSchedule", book.arnOf({ GroupName, Name: name }));
    book.delete(GroupName, name);
    return {};
  },
  ListSchedules({ book, query, ...call }) {
    const question = parseInput(inputs.listing, Object.fromEntries(query));
    authorize(call, "ListSchedules", "*");
    const { ScheduleGroup, State } = question;
    const wanted = book
      .all()
      .filter(({ definition }) => ScheduleGroup === undefined || definition.GroupName === ScheduleGroup)
      .filter(({ definition }) => State === undefined || definition.State === State);
    const { items, NextToken } = page(
      wanted,
      ({ definition }) => `${definition.GroupName}/${definition.Name}`,
      question,
    );
    return { Schedules: items.map((schedule) => factsOf(book, schedule)), NextToken };
  },
  CreateScheduleGroup({ book, name, body, ...call }) {
    parseInput(inputs.group, body);
    authorize(call, "CreateScheduleGroup", book.groupArnOf(name));
    if (book.groups().some((group) => group.name === name)) {
      throw new ServiceError(409, "ConflictException", `Schedule group ${name} already exists.`);
    }
    book.putGroup(parseInput(inputs.name, name));
    return { ScheduleGroupArn: book.groupArnOf(name) };
  },
  GetScheduleGroup({ book, name, ...call }) {
    authorize(call, "GetScheduleGroup", book.groupArnOf(name));
    return describeGroup(book, book.group(name));
  },
  DeleteScheduleGroup({ book, name, ...call }) {
    authorize(call, "DeleteScheduleGroup", book.groupArnOf(name));
    book.deleteGroup(name);
    return {};
  },
  ListScheduleGroups({ book, query, ...call }) {
    const question = parseInput(inputs.listing, Object.fromEntries(query));
    authorize(call, "ListScheduleGroups", "*");
    const { items, NextToken } = page(book.groups(), (group) => group.name, question);
    return { ScheduleGroups: items.map((group) => describeGroup(book, group)), NextToken };
  },
};

export function createSchedulerService(context: ServiceContext, options: DeliveryOptions): SchedulerService {
  const database = openDurableState(context.stateDirectory, "scheduler");
  const queue = new DeliveryQueue(database, {
    context,
    options,
    faultService: "scheduler",
    payloadAt: (delivery) => atAttempt(delivery.payload, delivery.failedAttempts + 1),
  });
  const book = new ScheduleBook(database, context, queue, (sentence) => options.onProblem?.(sentence));
  return {
    name: "scheduler",
    operationOf: (request) => route(request).operation,
    resourceOf: (request) => route(request).name,
    async handle(request) {
      const answer = handle(request, book, context);
      return { status: 200, headers: { "content-type": "application/json" }, body: JSON.stringify(answer) };
    },
    renderError: (error) => ({
      status: error.code === "AccessDenied" ? 403 : error.status,
      headers: {
        "content-type": "application/json",
        "x-amzn-errortype": error.code === "AccessDenied" ? "AccessDeniedException" : error.code,
      },
      body: JSON.stringify({ Message: error.message }),
    }),
    throttlingError: () => new ServiceError(429, "ThrottlingException", "Rate exceeded"),
    async close() {
      book.close();
      queue.close();
      database.close();
    },
    putSchedule(schedule) {
      book.putFromTemplate(schedule);
      return { arn: book.arnOf({ GroupName: schedule.GroupName ?? "default", Name: schedule.Name }) };
    },
    putGroup(name) {
      book.putGroup(name);
      return { arn: book.groupArnOf(name) };
    },
    start() {
      queue.start();
      book.start();
    },
    fire(name, scheduledAtMilliseconds) {
      const [groupName = "", ownName] = name.includes("/") ? name.split("/") : ["default", name];
      book.fire(book.find(groupName, ownName ?? ""), scheduledAtMilliseconds ?? context.clock.now());
    },
    settled: () => queue.settled(),
  };
}

function handle(request: ServiceRequest, book: ScheduleBook, context: ServiceContext): object {
  const { operation, name } = route(request);
  const run = operations[operation];
  if (!run) {
    throw new ServiceError(
      400,
      "UnknownOperationException",
      `The local cloud does not know scheduler ${request.method} ${request.rawPath}; ` +
        `it knows ${Object.keys(operations).join(", ")}.`,
    );
  }
  if (!request.principal) throw new ServiceError(403, "AccessDeniedException", "The request is not signed.");
  return run({ book, context, principal: request.principal, name, query: request.query, body: bodyOf(request) });
}

function route({ method, rawPath }: Pick<ServiceRequest, "method" | "rawPath">): { operation: string; name: string } {
  const [, collection = "", name = "", rest] = rawPath.split("/");
  const shape = `${method} /${collection}${name === "" ? "" : "/*"}`;
  return { operation: (rest === undefined && operationNames[shape]) || "Unknown", name: decodeURIComponent(name) };
}

function bodyOf(request: ServiceRequest): Readonly<Record<string, unknown>> {
  if (request.bodyBytes.length === 0) return {};
  try {
    const parsed: unknown = JSON.parse(request.bodyBytes.toString("utf8"));
    if (typeof parsed === "object" && parsed !== null) return { ...parsed };
  } catch {
    // Falls through to the one refusal below: the caller learns the same either way.
  }
  throw new ServiceError(400, "ValidationException", "The body is not a JSON object.");
}

/** The caller must also be allowed to hand the role on; else anybody could borrow any role by a schedule. */
function putSchedule(call: Call, operation: "CreateSchedule" | "UpdateSchedule"): object {
  const { book, name, context, principal } = call;
  // The book parses it in full; here only the names are needed, for permission.
  const input = { ...call.body, Name: name } as inputs.ScheduleInput;
  const arn = book.arnOf({ GroupName: input.GroupName ?? "default", Name: name });
  authorize(call, operation, arn);
  if (input.Target?.RoleArn !== undefined) {
    context.authorize(principal, "iam:PassRole", String(input.Target.RoleArn), {
      "iam:PassedToService": "scheduler.amazonaws.com",
    });
  }
  if (operation === "CreateSchedule") book.create(input);
  else book.update(input);
  return { ScheduleArn: arn };
}

function authorize(call: Pick<Call, "context" | "principal">, operation: string, resource: string): void {
  call.context.authorize(call.principal, `scheduler:${operation}`, resource);
}

function factsOf(book: ScheduleBook, schedule: Schedule): object {
  const { definition } = schedule;
  return {
    Arn: book.arnOf(definition),
    Name: definition.Name,
    GroupName: definition.GroupName,
    State: definition.State,
    CreationDate: schedule.createdAtMilliseconds / 1000,
    LastModificationDate: schedule.modifiedAtMilliseconds / 1000,
    Target: { Arn: definition.Target.Arn },
  };
}

function describeGroup(book: ScheduleBook, group: { name: string; createdAtMilliseconds: number }): object {
  const createdAt = group.createdAtMilliseconds / 1000;
  return {
    Arn: book.groupArnOf(group.name),
    Name: group.name,
    State: "ACTIVE",
    CreationDate: createdAt,
    LastModificationDate: createdAt,
  };
}

/** Sorted by key; the token is the last key given out. */
function page<Item>(
  items: readonly Item[],
  keyOf: (item: Item) => string,
  question: { NamePrefix?: string | undefined; NextToken?: string | undefined; MaxResults: number },
): { items: Item[]; NextToken: string | undefined } {
  const { NamePrefix = "", NextToken = "", MaxResults } = question;
  const nameOf = (item: Item) => keyOf(item).split("/").at(-1) ?? "";
  const wanted = items
    .filter((item) => nameOf(item).startsWith(NamePrefix) && keyOf(item) > NextToken)
    .sort((left, right) => (keyOf(left) < keyOf(right) ? -1 : 1));
  const chosen = wanted.slice(0, MaxResults);
  const last = chosen.at(-1);
  return { items: chosen, NextToken: last && chosen.length < wanted.length ? keyOf(last) : undefined };
}
