// Who takes part in the relay benchmark, how each is started, and what it has taken.
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Helper, startHelper } from "./asking.ts";
import type { Target } from "./load.ts";
import { startPortkey } from "./peers.ts";
import { cpuSecondsOf, residentMiB } from "./read-processes.ts";
import type { CausewayAsks, ThreadUsage } from "./serve-causeway.ts";
import type { FloorAsks } from "./serve-floor.ts";
import type { UpstreamAddress } from "./serve-upstream.ts";

export const contestantNames = ["direct", "floor", "causeway", "portkey"] as const;
export type ContestantName = (typeof contestantNames)[number];

/** Processor seconds since the start. */
export interface Taken {
  /** The relay's own: of Causeway the thread of its function, of the others the process. */
  readonly own: number;
  /** Causeway only: gateway's front, Lambda host and the stand-ins of AWS. */
  readonly front: number;
  /** Causeway only: the DynamoDB-compatible server. */
  readonly store: number;
  /** Causeway only: functions that run by themselves, such as the roll-up. */
  readonly otherFunctions: number;
}

export interface Contestant {
  readonly target: Target;
  taken(): Promise<() => Promise<Taken>>;
  /** Of the process; of Causeway the front, the host and all stand-ins are in it. */
  residentMiB(): number;
  /** Of the relay's own thread; undefined where it has none. */
  heapMiB(): Promise<number | undefined>;
  /** Causeway only: from the first call to the second, whose prefix its files have. */
  profile?(prefix: string | undefined): Promise<void>;
  stop(): Promise<void>;
}

export interface CausewayContestant extends Contestant {
  readonly helper: Helper<CausewayAsks>;
}

/** Anthropic's accounts behind Causeway, and its client keys; the others have the first account's key. */
export const accounts = 2;
export const clientKeys = 10;

const common = { "anthropic-version": "2023-06-01" };
const nothing: Taken = { own: 0, front: 0, store: 0, otherFunctions: 0 };
const path = "/v1/messages";
const memoryFolder = "/dev/shm";

export const starters: Readonly<Record<ContestantName, (upstream: UpstreamAddress) => Promise<Contestant>>> = {
  async direct(upstream) {
    return {
      target: { url: upstream.baseUrl + path, headers: [{ ...common, "x-api-key": firstKey(upstream) }] },
      taken: async () => async () => nothing,
      residentMiB: () => 0,
      heapMiB: async () => undefined,
      stop: async () => undefined,
    };
  },

  async floor(upstream) {
    const helper = startHelper<FloorAsks>(join(import.meta.dirname, "serve-floor.ts"));
    const url = await helper.ask("start", { upstreamUrl: upstream.baseUrl });
    return {
      target: { url: url + path, headers: [{ ...common, "x-api-key": firstKey(upstream) }] },
      ...measuring(helper.processId),
      stop: () => helper.stop(),
    };
  },

  causeway: startCauseway,

  async portkey(upstream) {
    const { url, processId, stop } = await startPortkey();
    const headers = {
      ...common,
      authorization: `Bearer ${firstKey(upstream)}`,
      "x-portkey-provider": "anthropic",
      "x-portkey-custom-host": `${upstream.baseUrl}/v1`,
    };
    return { target: { url: url + path, headers: [headers] }, ...measuring(processId), stop: async () => stop() };
  },
};

export async function startCauseway(upstream: UpstreamAddress): Promise<CausewayContestant> {
  const helper = startHelper<CausewayAsks>(join(import.meta.dirname, "serve-causeway.ts"), { TMPDIR: stateFolder() });
  const { url, keys, storeProcessId } = await helper.ask("start", { upstream, keys: clientKeys });
  const read = async () => ({
    threads: await helper.ask("usage", undefined),
    store: cpuSecondsOf(storeProcessId),
  });
  return {
    helper,
    target: { url: url + path, headers: keys.map((key) => ({ ...common, "x-api-key": key })) },
    async taken() {
      const before = await read();
      return async () => {
        const after = await read();
        return { ...shared(before.threads, after.threads), store: after.store - before.store };
      };
    },
    residentMiB: () => residentMiB(helper.processId),
    heapMiB: () => helper.ask("heapMiB", undefined),
    profile: (prefix) => helper.ask("profile", prefix),
    stop: () => helper.stop(),
  };
}

/** In memory where there is such a folder: each write of the store waits for the disk, and the disk is not compared here. */
function stateFolder(): string {
  return existsSync(memoryFolder) ? memoryFolder : tmpdir();
}

/**
 * V8 compiles and collects for all threads of a process in a few threads of its own; each thread bears as much of that as
 * of the rest.
 */
function shared(before: ThreadUsage, after: ThreadUsage): Omit<Taken, "store"> {
  const [main, relay] = [after.main - before.main, after.relay - before.relay];
  const otherFunctions = after.otherFunctions - before.otherFunctions;
  const ofThreads = main + relay + otherFunctions;
  const factor = ofThreads === 0 ? 1 : Math.max(1, (after.process - before.process) / ofThreads);
  return { own: relay * factor, front: main * factor, otherFunctions: otherFunctions * factor };
}

function measuring(processId: number): Pick<Contestant, "taken" | "residentMiB" | "heapMiB"> {
  return {
    async taken() {
      const before = cpuSecondsOf(processId);
      return async () => ({ ...nothing, own: cpuSecondsOf(processId) - before });
    },
    residentMiB: () => residentMiB(processId),
    heapMiB: async () => undefined,
  };
}

function firstKey({ keys: [key = ""] }: UpstreamAddress): string {
  return key;
}
