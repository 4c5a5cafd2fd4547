// npm run bench:relay: the same calls to the same provider directly, through a bare pass-through, Causeway and Portkey.
import { mkdirSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { join } from "node:path";
import { startHelper } from "./relay/asking.ts";
import { type CaseName, type FigureName, lengthTitle, loadCase } from "./relay/cases.ts";
import { measureColdStart } from "./relay/cold-start.ts";
import { accounts } from "./relay/contestants.ts";
import type { LoadAsks } from "./relay/make-load.ts";
import { type RelayBenchOptions, readOptions } from "./relay/options.ts";
import { installPeers, portkeyVersion } from "./relay/peers.ts";
import {
  addedLine,
  coldStartText,
  jsonOf,
  type Machine,
  machineText,
  ratioLine,
  storageText,
  tableOf,
} from "./relay/report.ts";
import { runLengthCase, runLoadCase, type Track } from "./relay/run-case.ts";
import type { UpstreamAsks } from "./relay/serve-upstream.ts";
import { countStorageCalls } from "./relay/storage-case.ts";
import { synthesise } from "./relay/synthesise.ts";

/** Of Portkey's processor time, which accounts for nothing. */
const mostOwnCpu: Readonly<Partial<Record<CaseName, number>>> = {
  "json-1": 2.5,
  "json-16": 2.5,
  "json-64": 2.5,
  streams: 1.7,
  spaced: 1.7,
};
const ofCausewayAlone: ReadonlySet<CaseName> = new Set<CaseName>(["storage", "cold"]);
const ownCpu: FigureName = "ownCpu";

const options = readOptions(process.argv.slice(2));
if (options !== undefined) await bench(options);

async function bench(options: RelayBenchOptions): Promise<void> {
  const { say } = options;
  const hasPeer = options.contestants.includes("portkey");
  if (hasPeer) installPeers(say);
  const hasCauseway = options.contestants.includes("causeway");
  const assembly = hasCauseway ? synthesise() : undefined;
  const beside = (program: string) => join(import.meta.dirname, "relay", program);
  const upstream = startHelper<UpstreamAsks>(beside("serve-upstream.ts"));
  const clients = startHelper<LoadAsks>(beside("make-load.ts"));
  const kept: Track["kept"] = new Map();
  const loadBefore = loadavg()[0] ?? 0;
  try {
    const address = await upstream.ask("start", { accounts });
    const { contestants: names, runs, bodyBytes, profileFolder } = options;
    if (profileFolder !== undefined) mkdirSync(profileFolder, { recursive: true });
    const track: Track = { upstream, address, clients, names, runs, bodyBytes, profileFolder, kept, say };
    const results: Record<string, object> = {};
    const isMeant = (name: CaseName) => hasCauseway || !ofCausewayAlone.has(name);
    for (const name of options.cases.filter(isMeant)) results[name] = await runCase(name, track, options);
    const machine: Machine = {
      node: process.versions.node,
      processors: cpus().length,
      loadBefore,
      loadAfter: loadavg()[0] ?? 0,
      peer: hasPeer ? portkeyVersion() : null,
    };
    say(`\n${machineText(machine)}`);
    if (options.json) process.stdout.write(`${jsonOf(machine, results)}\n`);
  } finally {
    await Promise.all([...kept.values(), clients, upstream].map((one) => one.stop()));
    assembly?.remove();
  }
}

/** The figures that stand in the JSON. */
async function runCase(name: CaseName, track: Track, { say, share, runs }: RelayBenchOptions): Promise<object> {
  if (name === "storage") {
    const calls = await countStorageCalls(track);
    say(storageText(calls));
    return calls;
  }
  if (name === "cold") {
    const cold = await measureColdStart(track);
    say(coldStartText(cold));
    return cold;
  }
  if (name === "length") {
    const figures = await runLengthCase(track);
    say(tableOf(lengthTitle, figures, runs));
    return figures;
  }
  const chosen = loadCase(name, share);
  const figures = await runLoadCase(track, name, chosen);
  say(tableOf(chosen.title, figures, runs));
  for (const line of [ratioLine(figures, ownCpu, mostOwnCpu[name]), addedLine(figures)]) {
    if (line !== undefined) say(line);
  }
  return figures;
}
