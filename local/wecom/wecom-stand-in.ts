// Stands in for the places that alerts go to: WeCom's group robots, and webhooks of any other receiver.
import { randomUUID } from "node:crypto";
import { mkdirSync } from "node:fs";
import http from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { DurableMap, openDurableState } from "../gateway/durable-state.ts";
import { flatten, listen } from "../gateway/gateway.ts";
import { JsonLines } from "../gateway/json-lines.ts";
import type { Clock } from "../rig/clock.ts";
import type { Faults } from "../rig/faults.ts";
import { type Answer, type Call, misbehave } from "./misbehave.ts";
import { accepted, RateWindow, type RobotContent, readMessage, tooOften, unknownKey } from "./robot.ts";

export interface WecomOptions {
  readonly clock: Clock;
  readonly faults: Faults;
  /** Made when missing; robots' keys and what was received survive a restart here. */
  readonly stateDirectory: string;
  /** 0 or absent: any free one. */
  readonly port?: number;
}

/** A message that a robot put into its group. */
export interface RobotMessage extends RobotContent {
  readonly robot: string;
  /** RFC 3339, UTC, cloud time. */
  readonly at: string;
}

export interface ReceivedCall {
  readonly receiver: string;
  readonly at: string;
  readonly method: string;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** What it was answered with. */
  readonly status: number;
}

export interface WecomStandIn {
  /** `http://127.0.0.1:<port>` */
  readonly url: string;
  /** What a person copies from the group's settings; the key in it is a secret. The robot is made when it is new. */
  webhookUrl(robot?: string): string;
  /** Its URL is refused with 93000 from now on. */
  removeRobot(robot: string): void;
  /** In the group, oldest first; a refused message is not among them. */
  readonly messages: readonly RobotMessage[];
  /** A webhook of any receiver: takes every call and answers 200, unless told otherwise. */
  receiverUrl(name: string): string;
  /** From now on, until told otherwise. */
  answer(name: string, answer: Partial<Answer>): void;
  /** Oldest first, refused calls too. */
  received(name?: string): readonly ReceivedCall[];
  close(): Promise<void>;
}

const mostKept = 5000;
const largestBodyBytes = 1024 * 1024;
const robotPath = "/cgi-bin/webhook/send";
const fine: Answer = { status: 200, headers: { "content-type": "text/plain; charset=utf-8" }, body: "ok" };

/** Listens on 127.0.0.1 only. Throws a sentence when the port is taken. */
export async function startWecom(options: WecomOptions): Promise<WecomStandIn> {
  mkdirSync(options.stateDirectory, { recursive: true, mode: 0o700 });
  const database = openDurableState(options.stateDirectory, "wecom");
  const places = new Places(options, new DurableMap<string>(database, "robots"));
  const server = http.createServer({ requestTimeout: 0 }, (incoming, outgoing) => {
    answer(incoming, outgoing, places, options).catch(() => outgoing.destroy());
  });
  try {
    await listen(server, options.port ?? 0);
  } catch (error) {
    database.close();
    throw error;
  }
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    webhookUrl: (robot = "robot") => `${url}${robotPath}?key=${places.keyOf(robot)}`,
    removeRobot: (robot) => places.removeRobot(robot),
    get messages() {
      return places.messages.list();
    },
    receiverUrl: (name) => `${url}/hook/${encodeURIComponent(name)}`,
    answer: (name, given) => void places.answers.set(name, { ...fine, ...given }),
    received: (name) => places.calls.list().filter(({ receiver }) => name === undefined || receiver === name),
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
      database.close();
    },
  };
}

class Places {
  readonly messages: JsonLines<RobotMessage>;
  readonly calls: JsonLines<ReceivedCall>;
  readonly answers = new Map<string, Answer>();
  readonly #clock: Clock;
  /** Keys by robot. */
  readonly #robots: DurableMap<string>;
  readonly #rates = new Map<string, RateWindow>();

  constructor({ clock, stateDirectory }: WecomOptions, robots: DurableMap<string>) {
    this.#clock = clock;
    this.#robots = robots;
    this.messages = new JsonLines(path.join(stateDirectory, "messages.jsonl"), mostKept);
    this.calls = new JsonLines(path.join(stateDirectory, "received.jsonl"), mostKept);
  }

  keyOf(robot: string): string {
    const key = this.#robots.get(robot) ?? randomUUID();
    if (!this.#robots.has(robot)) this.#robots.set(robot, key);
    return key;
  }

  removeRobot(robot: string): void {
    this.#robots.delete(robot);
  }

  /** Undefined for a path that is neither a robot's nor a receiver's. */
  find(method: string, url: URL): Call | undefined {
    if (url.pathname === robotPath && method === "POST") {
      const key = url.searchParams.get("key");
      const robot = this.#robots.entries().find(([, known]) => known === key)?.[0];
      return {
        fault: { service: "wecom", operation: "SendMessage", resource: robot ?? "" },
        work: (body) => jsonAnswer(this.#post(robot, body)),
      };
    }
    const name = /^\/hook\/([^/]+)$/.exec(url.pathname)?.[1];
    if (name === undefined) return undefined;
    const receiver = decodeURIComponent(name);
    return {
      fault: { service: "webhook", operation: receiver, resource: receiver },
      work: (body, headers) => this.#receive(receiver, method, headers, body),
    };
  }

  #post(robot: string | undefined, body: string) {
    const now = Math.floor(this.#clock.now());
    if (robot === undefined) return unknownKey(now);
    const message = readMessage(body, now);
    if ("errcode" in message) return message;
    const rate = this.#rates.get(robot) ?? new RateWindow();
    this.#rates.set(robot, rate);
    if (!rate.take(now)) return tooOften(now);
    this.messages.add({ robot, at: new Date(now).toISOString(), ...message });
    return accepted;
  }

  #receive(receiver: string, method: string, headers: ReceivedCall["headers"], body: string): Answer {
    const given = this.answers.get(receiver) ?? fine;
    const at = new Date(this.#clock.now()).toISOString();
    this.calls.add({ receiver, at, method, headers, body, status: given.status });
    return given;
  }
}

async function answer(
  incoming: http.IncomingMessage,
  outgoing: http.ServerResponse,
  places: Places,
  options: WecomOptions,
): Promise<void> {
  const call = places.find(incoming.method ?? "GET", new URL(incoming.url ?? "/", "http://stand-in"));
  const body = await readBody(incoming);
  const answered = call
    ? await misbehave(call, { body, headers: flatten(incoming.headers) }, options)
    : { status: 404, headers: {}, body: `Nothing is at ${incoming.method} ${incoming.url?.split("?")[0]}.\n` };
  if (answered === "reset") incoming.socket.resetAndDestroy();
  else outgoing.writeHead(answered.status, answered.headers).end(answered.body);
}

async function readBody(incoming: http.IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > largestBodyBytes) throw new Error("the body is too large");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function jsonAnswer(value: object): Answer {
  return { status: 200, headers: { "content-type": "application/json; charset=UTF-8" }, body: JSON.stringify(value) };
}
