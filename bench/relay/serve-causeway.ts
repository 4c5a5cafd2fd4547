// A process of the relay benchmark: Causeway as `npm start` boots it: gateway's front, Lambda host, the relay's bundle, store.
import type { Worker } from "node:worker_threads";
import { RelayRig } from "../../test/relay/relay-rig.ts";
import { answerAsks } from "./asking.ts";
import { type CountedCalls, countCalls } from "./count-calls.ts";
import { type Profiling, startProfiling } from "./profile.ts";
import { descendants } from "./read-processes.ts";
import type { UpstreamAddress } from "./serve-upstream.ts";

export interface CausewayAddress {
  readonly url: string;
  /** Client keys. */
  readonly keys: readonly string[];
  /** The DynamoDB-compatible server. */
  readonly storeProcessId: number;
}

/** Since the start, processor seconds by thread; what is missing from `process` are V8's and libuv's own threads. */
export interface ThreadUsage {
  readonly process: number;
  /** Gateway's front, Lambda host, and the stand-ins of all AWS services. */
  readonly main: number;
  readonly relay: number;
  /** Roll-ups and whatever else runs by itself. */
  readonly otherFunctions: number;
}

export interface CausewayOrder {
  readonly upstream: UpstreamAddress;
  readonly keys: number;
}

const relayFunction = "Relay/Function";
/** As a careful operator sets it: every kind of limit is there to be checked, and none is ever met. */
const policy = {
  concurrency: 100,
  requestsPerMinute: 100_000,
  tokensPerMinute: 1_000_000_000,
  spend: { day: 1e15, month: 1e15, total: 1e15 },
} as const;
const accountConcurrency = 500;
const microsecondsPerSecond = 1_000_000;

let rig: RelayRig | undefined;
let profiling: Profiling | undefined;
const usageOfWorkers = new Map<Worker, number>();
process.on("worker", (worker: Worker) => {
  usageOfWorkers.set(worker, 0);
});

const asks = { start, usage, heapMiB, count, profile };
export type CausewayAsks = typeof asks;
answerAsks(asks, async () => rig?.close());

async function start({ upstream, keys }: CausewayOrder): Promise<CausewayAddress> {
  const started = await RelayRig.start();
  rig = started;
  for (const key of upstream.keys) {
    const settings = { settings: { baseUrl: upstream.baseUrl }, concurrency: accountConcurrency };
    await started.addAccount("anthropic", settings, key);
  }
  const texts: string[] = [];
  for (let index = 0; index < keys; index += 1) texts.push((await started.addKey(policy)).text);
  const [storeProcessId = 0] = descendants(process.pid, "dynoxide");
  return { url: started.url, keys: texts, storeProcessId };
}

async function usage(): Promise<ThreadUsage> {
  const relayName = functionName();
  let [relay, otherFunctions] = [0, 0];
  for (const worker of usageOfWorkers.keys()) {
    const seconds = await cpuSeconds(worker);
    if (worker.threadName === relayName) relay += seconds;
    else otherFunctions += seconds;
  }
  return { process: sum(process.cpuUsage()), main: sum(process.threadCpuUsage()), relay, otherFunctions };
}

/** Of the relay's own thread: objects and what they hold outside the heap. */
async function heapMiB(): Promise<number> {
  let bytes = 0;
  for (const worker of usageOfWorkers.keys()) {
    if (worker.threadName !== functionName()) continue;
    const { used_heap_size: inHeap, external_memory: outside } = await worker.getHeapStatistics();
    bytes += inHeap + outside;
  }
  return bytes / 1024 ** 2;
}

async function count(order: Parameters<typeof countCalls>[1]): Promise<CountedCalls> {
  if (rig === undefined) throw new Error("Causeway is not started");
  return countCalls(rig, order);
}

/** Starts to profile; with a prefix of file names, writes what was seen since. */
async function profile(prefix: string | undefined): Promise<void> {
  if (prefix !== undefined) return profiling?.write(prefix);
  const relay = [...usageOfWorkers.keys()].findLast(({ threadName }) => threadName === functionName());
  if (relay !== undefined) profiling = await startProfiling(relay);
}

/** A thread that has ended keeps what it was seen with last. */
async function cpuSeconds(worker: Worker): Promise<number> {
  const seconds = await worker.cpuUsage().then(sum, () => usageOfWorkers.get(worker) ?? 0);
  usageOfWorkers.set(worker, seconds);
  return seconds;
}

function functionName(): string | undefined {
  return rig?.cloud.resource(relayFunction).physicalName;
}

function sum({ user, system }: { readonly user: number; readonly system: number }): number {
  return (user + system) / microsecondsPerSecond;
}
