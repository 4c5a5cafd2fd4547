// Redriving a dead-letter queue: tasks that move its messages back where they came from, or to another queue.
// Source: StartMessageMoveTask, ListMessageMoveTasks, CancelMessageMoveTask in the SQS API reference, and "Configure a
// dead-letter queue redrive" in the SQS guide (permissions, new message ids, one task per queue, 36 hours at most).
import { randomUUID } from "node:crypto";
import type { DatabaseSync } from "node:sqlite";
import { setImmediate as nextTurn } from "node:timers/promises";
import { DurableMap } from "../gateway/durable-state.ts";
import type { JsonCall } from "../gateway/json-service.ts";
import { parseInput } from "../gateway/parse-input.ts";
import { type ServiceContext, ServiceError } from "../gateway/service.ts";
import * as inputs from "./inputs.ts";
import type { MessageStore } from "./message-store.ts";
import type { Queues } from "./queues.ts";

interface MoveTask {
  readonly handle: string;
  readonly sourceArn: string;
  readonly destinationArn?: string;
  readonly messagesPerSecond?: number;
  readonly status: "RUNNING" | "COMPLETED" | "CANCELLED" | "FAILED";
  readonly moved: number;
  readonly toMove: number;
  /** Messages that came later are not part of the task: a poisonous one would go round for ever. */
  readonly lastSequence: number;
  readonly startedAtMilliseconds: number;
  readonly failureReason?: string;
}

interface MoveTasksParts {
  readonly database: DatabaseSync;
  readonly messages: MessageStore;
  readonly queues: Queues;
}

/** Without a rate of the caller's: so many between two turns of the event loop. */
const movedPerTurn = 500;
const mostTasksKept = 10;
const longestTaskMilliseconds = 36 * 3_600_000;

export class MoveTasks {
  readonly #context: ServiceContext;
  readonly #parts: MoveTasksParts;
  /** By `start time-handle`, so that the order of keys is the order of tasks. */
  readonly #tasks: DurableMap<MoveTask>;
  readonly #closing = new AbortController();
  readonly #underWay = new Set<Promise<void>>();

  constructor(context: ServiceContext, parts: MoveTasksParts) {
    this.#context = context;
    this.#parts = parts;
    this.#tasks = new DurableMap(parts.database, "move_tasks");
  }

  /** Goes on with the tasks of an earlier process. Call once all queues are there. */
  resume(): void {
    for (const [key, task] of this.#tasks.entries()) if (task.status === "RUNNING") this.#launch(key);
  }

  begin(body: unknown, call: JsonCall): object {
    const input = parse(inputs.startMove, body);
    const { SourceArn, DestinationArn, MaxNumberOfMessagesPerSecond: messagesPerSecond } = input;
    this.#authorize(call, SourceArn, "StartMessageMoveTask", "ReceiveMessage", "DeleteMessage", "GetQueueAttributes");
    if (DestinationArn !== undefined) this.#authorize(call, DestinationArn, "SendMessage");
    const source = this.#existing(SourceArn);
    if (DestinationArn !== undefined) this.#existing(DestinationArn);
    const { messages, queues } = this.#parts;
    if (!queues.all().some(({ redrive }) => redrive?.deadLetterQueueArn === SourceArn)) {
      throw invalid("Source queue must be configured as a Dead Letter Queue.");
    }
    if (this.#of(SourceArn).some(([, { status }]) => status === "RUNNING")) {
      const sentence = "There is already a task running. Only one active task is allowed for a source queue arn.";
      throw new ServiceError(400, "UnsupportedOperation", sentence);
    }
    const now = this.#context.clock.now();
    if (DestinationArn === undefined) {
      for (const origin of messages.sourcesOf(source.name, now)) {
        if (origin !== undefined) this.#authorize(call, origin, "SendMessage");
      }
    }
    const { count, lastSequence } = messages.visibleNow(source.name, now);
    const id = randomUUID();
    const handle = Buffer.from(JSON.stringify({ taskId: id, sourceArn: SourceArn })).toString("base64");
    const key = `${Math.floor(now).toString().padStart(15, "0")}-${id}`;
    this.#tasks.set(key, {
      handle,
      sourceArn: SourceArn,
      ...(DestinationArn === undefined ? {} : { destinationArn: DestinationArn }),
      ...(messagesPerSecond === undefined ? {} : { messagesPerSecond }),
      status: "RUNNING",
      moved: 0,
      toMove: count,
      lastSequence,
      startedAtMilliseconds: now,
    });
    this.#forgetOld(SourceArn);
    this.#launch(key);
    return { TaskHandle: handle };
  }

  /** Newest first. */
  list(body: unknown, call: JsonCall): object {
    const { SourceArn, MaxResults } = parse(inputs.listMoves, body);
    this.#authorize(call, SourceArn, "ListMessageMoveTasks", "GetQueueAttributes");
    this.#existing(SourceArn);
    const found = this.#of(SourceArn).map(([, task]) => task);
    return { Results: found.reverse().slice(0, MaxResults).map(described) };
  }

  cancel(body: unknown, call: JsonCall): object {
    const { TaskHandle } = parse(inputs.cancelMove, body);
    const [key, task] = this.#tasks.entries().find(([, { handle }]) => handle === TaskHandle) ?? [];
    const sourceArn = task?.sourceArn ?? "*";
    this.#authorize(call, sourceArn, "CancelMessageMoveTask", "ReceiveMessage", "DeleteMessage", "GetQueueAttributes");
    if (key === undefined || task === undefined) {
      throw new ServiceError(404, "ResourceNotFoundException", "Task does not exist.");
    }
    if (task.status !== "RUNNING") {
      throw new ServiceError(400, "UnsupportedOperation", "Only active tasks can be cancelled.");
    }
    this.#tasks.set(key, { ...task, status: "CANCELLED" });
    return { ApproximateNumberOfMessagesMoved: task.moved };
  }

  async close(): Promise<void> {
    this.#closing.abort(new Error("the local cloud stops"));
    await Promise.allSettled(this.#underWay);
  }

  #launch(key: string): void {
    const work = this.#run(key)
      .catch((error: unknown) => {
        if (!this.#closing.signal.aborted) this.#fail(key, String(error));
      })
      .finally(() => this.#underWay.delete(work));
    this.#underWay.add(work);
  }

  async #run(key: string): Promise<void> {
    const { clock } = this.#context;
    const hold = clock.hold();
    try {
      await nextTurn();
      for (;;) {
        const task = this.#tasks.get(key);
        if (task?.status !== "RUNNING" || this.#closing.signal.aborted) return;
        if (clock.now() > task.startedAtMilliseconds + longestTaskMilliseconds) {
          this.#fail(key, "The task ran longer than 36 hours.");
          return;
        }
        if (!this.#step(key, task)) return;
        if (task.messagesPerSecond === undefined) await nextTurn();
        else await hold.sleep(1000, this.#closing.signal);
      }
    } finally {
      hold.release();
    }
  }

  /** False when the task is over. */
  #step(key: string, task: MoveTask): boolean {
    const { messages, queues } = this.#parts;
    const name = nameOf(task.sourceArn);
    const { moved, destinations, stuck } = messages.moveVisible(
      name,
      {
        lastSequence: task.lastSequence,
        most: task.messagesPerSecond ?? movedPerTurn,
        destinationOf: (origin) => {
          const destination = nameOf(task.destinationArn ?? origin ?? "");
          return queues.all().some((queue) => queue.name === destination) ? destination : undefined;
        },
      },
      this.#context.clock.now(),
    );
    const next = { ...task, moved: task.moved + moved };
    this.#tasks.set(key, moved === 0 && !stuck ? { ...next, status: "COMPLETED" } : next);
    if (stuck) this.#fail(key, "CouldNotDetermineMessageSource");
    if (moved > 0) queues.departed(name);
    for (const destination of destinations) queues.arrived(destination);
    return moved > 0 && !stuck;
  }

  #fail(key: string, failureReason: string): void {
    const task = this.#tasks.get(key);
    if (task) this.#tasks.set(key, { ...task, status: "FAILED", failureReason });
  }

  /** Oldest first. */
  #of(sourceArn: string): [string, MoveTask][] {
    const own = this.#tasks.entries().filter(([, task]) => task.sourceArn === sourceArn);
    return own.sort(([left], [right]) => (left < right ? -1 : 1));
  }

  #forgetOld(sourceArn: string): void {
    for (const [key] of this.#of(sourceArn).slice(0, -mostTasksKept)) this.#tasks.delete(key);
  }

  #authorize(call: JsonCall, queueArn: string, ...actions: readonly string[]): void {
    for (const action of actions) this.#context.authorize(call.principal, `sqs:${action}`, queueArn);
  }

  #existing(queueArn: string) {
    try {
      return this.#parts.queues.byArn(queueArn);
    } catch {
      throw new ServiceError(404, "ResourceNotFoundException", `The queue ${queueArn} does not exist.`);
    }
  }
}

function described(task: MoveTask): object {
  return {
    ...(task.status === "RUNNING" ? { TaskHandle: task.handle } : {}),
    Status: task.status,
    SourceArn: task.sourceArn,
    ...(task.destinationArn === undefined ? {} : { DestinationArn: task.destinationArn }),
    ...(task.messagesPerSecond === undefined ? {} : { MaxNumberOfMessagesPerSecond: task.messagesPerSecond }),
    ApproximateNumberOfMessagesMoved: task.moved,
    ApproximateNumberOfMessagesToMove: task.toMove,
    ...(task.failureReason === undefined ? {} : { FailureReason: task.failureReason }),
    StartedTimestamp: Math.floor(task.startedAtMilliseconds),
  };
}

function nameOf(queueArn: string): string {
  return queueArn.slice(queueArn.lastIndexOf(":") + 1);
}

function parse<Schema extends Parameters<typeof parseInput>[0]>(schema: Schema, body: unknown) {
  return parseInput(schema, body, "InvalidParameterValue");
}

function invalid(sentence: string): ServiceError {
  return new ServiceError(400, "InvalidParameterValue", sentence);
}
