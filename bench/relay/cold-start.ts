// What a new execution environment of the relay costs: the bundle's size, the time to load it, and the first answer.
import { spawnSync } from "node:child_process";
import { statSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { bundleEntry } from "../../lib/constructs/bundle.ts";
import { median } from "../copy/report.ts";
import { countedStream, requestBody } from "./cases.ts";
import { startCauseway } from "./contestants.ts";
import type { Track } from "./run-case.ts";

export interface ColdStart {
  readonly bundleKiB: number;
  /** Of loading the bundle in a new process, without a compile cache. */
  readonly initMilliseconds: number;
  /** Through the local cloud, thread start included: the whole first answer, and the one after it. */
  readonly firstAnswerMilliseconds: number;
  readonly secondAnswerMilliseconds: number;
}

const loads = 7;
/** As Lambda's runtime offers it; the bundle asks for it while it loads. */
const loadProgram = `
globalThis.awslambda = { streamifyResponse: (handler) => handler };
const startedAt = performance.now();
await import(process.argv[1]);
process.stdout.write(String(performance.now() - startedAt));
process.exit(0);`;

export async function measureColdStart(track: Track): Promise<ColdStart> {
  const bundle = join(bundleEntry("relay/relay"), "index.mjs");
  const initTimes = Array.from({ length: loads }, () => loadMilliseconds(bundle));
  const [first, second] = [[] as number[], [] as number[]];
  await track.upstream.ask("behave", { outputTokens: countedStream.outputTokens ?? 1 });
  for (let run = 0; run < track.runs; run += 1) {
    const contestant = await startCauseway(track.address);
    try {
      const order = { target: contestant.target, body: requestBody(false, track.bodyBytes) };
      const load = { kind: "closed", connections: 1, requests: 2 } as const;
      const { whole } = await track.clients.ask("run", { ...order, load });
      first.push(whole[0] ?? Number.NaN);
      second.push(whole[1] ?? Number.NaN);
    } finally {
      await contestant.stop();
    }
  }
  return {
    bundleKiB: statSync(bundle).size / 1024,
    initMilliseconds: median(initTimes),
    firstAnswerMilliseconds: median(first),
    secondAnswerMilliseconds: median(second),
  };
}

function loadMilliseconds(bundle: string): number {
  const options = ["--input-type=module", "--eval", loadProgram, pathToFileURL(bundle).href];
  const done = spawnSync(process.execPath, options, { encoding: "utf8" });
  if (done.status !== 0) throw new Error(`the relay's bundle does not load:\n${done.stderr}`);
  return Number(done.stdout);
}
