// A process of the relay benchmark: the clients. Sends requests over kept connections and takes the times.
import http from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { answerAsks } from "./asking.ts";
import type { LoadOrder, LoadResult, Target } from "./load.ts";

const longestAnswerMilliseconds = 120_000;
const lineFeed = 0x0a;
const mostErrorCharacters = 300;

const asks = { run };
export type LoadAsks = typeof asks;
answerAsks(asks);

interface Tally {
  readonly firstByte: number[];
  readonly whole: number[];
  events: number;
}

async function run({ target, load, body }: LoadOrder): Promise<LoadResult> {
  const tally: Tally = { firstByte: [], whole: [], events: 0 };
  const connections = load.kind === "closed" ? load.connections : Number.POSITIVE_INFINITY;
  const agent = new http.Agent({ keepAlive: true, maxSockets: connections });
  const send = sender(target, body, agent, tally);
  const startedAt = performance.now();
  if (load.kind === "closed") await sendClosed(send, load.connections, load.requests);
  else await sendPaced(send, load.perSecond, load.requests);
  const seconds = (performance.now() - startedAt) / 1000;
  agent.destroy();
  return { seconds, ...tally };
}

async function sendClosed(send: (index: number) => Promise<void>, connections: number, requests: number) {
  let next = 0;
  const connection = async () => {
    while (next < requests) {
      next += 1;
      await send(next);
    }
  };
  await Promise.all(Array.from({ length: connections }, connection));
}

async function sendPaced(send: (index: number) => Promise<void>, perSecond: number, requests: number) {
  const startedAt = performance.now();
  const sent: Promise<void>[] = [];
  for (let index = 0; index < requests; index += 1) {
    const wait = startedAt + (index * 1000) / perSecond - performance.now();
    if (wait > 0) await sleep(wait);
    const one = send(index);
    // Looked at in the end; until then it must not end the process.
    one.catch(() => undefined);
    sent.push(one);
  }
  await Promise.all(sent);
}

function sender(target: Target, body: string, agent: http.Agent, tally: Tally): (index: number) => Promise<void> {
  const { hostname, port, pathname, search } = new URL(target.url);
  const bytes = Buffer.from(body);
  const options = target.headers.map((headers) => ({
    ...{ hostname, port, path: pathname + search, method: "POST", agent, timeout: longestAnswerMilliseconds },
    headers: { ...headers, "content-type": "application/json", "content-length": bytes.length },
  }));
  return (index) =>
    new Promise((resolve, reject) => {
      const sentAt = performance.now();
      const request = http.request(options[index % options.length] ?? {}, (answer) => {
        follow(answer, sentAt, tally).then(resolve, reject);
      });
      request.once("error", reject);
      request.once("timeout", () => request.destroy(new Error("an answer took too long")));
      request.end(bytes);
    });
}

/** Resolves at the answer's end; rejects when it is no success, or broke off. */
function follow(answer: http.IncomingMessage, sentAt: number, tally: Tally): Promise<void> {
  return new Promise((resolve, reject) => {
    let firstByteAt: number | undefined;
    let last = 0;
    let said = "";
    const isStream = answer.headers["content-type"]?.startsWith("text/event-stream") === true;
    answer.on("data", (chunk: Buffer) => {
      firstByteAt ??= performance.now();
      if (answer.statusCode !== 200) said = (said + chunk.toString("utf8")).slice(0, mostErrorCharacters);
      else if (isStream) tally.events += emptyLines(chunk, last);
      last = chunk.at(-1) ?? last;
    });
    answer.once("error", reject);
    answer.once("end", () => {
      if (answer.statusCode !== 200) reject(new Error(`answered ${answer.statusCode}: ${said}`));
      else {
        const endedAt = performance.now();
        tally.firstByte.push((firstByteAt ?? endedAt) - sentAt);
        tally.whole.push(endedAt - sentAt);
        resolve();
      }
    });
  });
}

/** Each ends an event. `before`: the last byte of the chunk before. */
function emptyLines(chunk: Buffer, before: number): number {
  let count = before === lineFeed && chunk[0] === lineFeed ? 1 : 0;
  for (let at = chunk.indexOf("\n\n"); at >= 0; at = chunk.indexOf("\n\n", at + 2)) count += 1;
  return count;
}
