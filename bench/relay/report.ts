// What the relay benchmark says: tables for people, with how far Causeway is from what it is to reach, and JSON for programs.
import { round } from "../copy/report.ts";
import type { FigureName } from "./cases.ts";
import type { ColdStart } from "./cold-start.ts";
import type { CallsByName } from "./count-calls.ts";
import type { CaseFigures, Figures } from "./run-case.ts";
import type { StorageCalls } from "./storage-case.ts";

/** Of the machine at the time: what else it did shows in the load. */
export interface Machine {
  readonly node: string;
  readonly processors: number;
  /** Processes that wanted a processor, on average over a minute, before the start and at the end. */
  readonly loadBefore: number;
  readonly loadAfter: number;
  readonly peer: string | null;
}

const headings: Readonly<Record<FigureName, string>> = {
  requestsPerSecond: "requests/s",
  eventsPerSecond: "events/s",
  p50: "p50 ms",
  p99: "p99 ms",
  addedP50: "added p50",
  addedP99: "added p99",
  addedFirstByteP50: "added 1st byte p50",
  firstByteP50: "1st byte p50",
  firstByteP99: "1st byte p99",
  ownCpu: "CPU ms/1,000",
  frontCpu: "front+host",
  storeCpu: "store",
  otherFunctionsCpu: "roll-ups",
  residentBefore: "MiB before",
  residentPeak: "MiB then",
  heapPeak: "relay's heap",
  residentShort: "MiB short",
  residentLong: "MiB long",
  heapShort: "heap short",
  heapLong: "heap long",
};

/** Only Causeway has them: those of the others are not printed. */
const causewayOnly: ReadonlySet<string> = new Set<FigureName>(["frontCpu", "storeCpu", "otherFunctionsCpu"]);

export function tableOf(title: string, figures: CaseFigures, runs: number): string {
  const names = Object.keys(headings) as FigureName[];
  const columns = names.filter((name) => Object.values(figures).some((one) => one[name] !== undefined));
  const widths = columns.map((name) => Math.max(headings[name].length, 9) + 2);
  const line = (first: string, cells: readonly string[]) =>
    first.padEnd(10) + cells.map((cell, index) => cell.padStart(widths[index] ?? 0)).join("");
  const rows = Object.entries(figures).map(([contestant, one]) =>
    line(
      contestant,
      columns.map((name) => cell(contestant, name, one)),
    ),
  );
  const heading = line(
    "",
    columns.map((name) => headings[name]),
  );
  return ["", `${title}; medians of ${runs}`, heading, ...rows].join("\n");
}

function cell(contestant: string, name: FigureName, figures: Figures): string {
  const value = figures[name];
  const isMeant = contestant === "causeway" || !causewayOnly.has(name);
  const isOwnOfDirect = contestant === "direct" && (name === "ownCpu" || name.startsWith("resident"));
  if (value === undefined || !isMeant || isOwnOfDirect) return "-";
  return value.toFixed(value >= 1000 ? 0 : value >= 100 ? 1 : 2);
}

/** Undefined where one of the two did not take part. */
export function ratioLine(
  { causeway, portkey, floor }: CaseFigures,
  figure: FigureName,
  most: number | undefined,
): string | undefined {
  const own = causeway?.[figure];
  if (own === undefined) return undefined;
  const parts = Object.entries({ portkey, floor }).flatMap(([name, figures]) => {
    const other = figures?.[figure];
    return other === undefined || other === 0 ? [] : [`${(own / other).toFixed(2)} times ${name}'s`];
  });
  if (parts.length === 0) return undefined;
  const aim = most === undefined ? "" : ` (to reach: at most ${most} times portkey's)`;
  return `causeway's own CPU is ${parts.join(", ")}${aim}`;
}

/** Undefined where Causeway did not take part, or nothing was paced. */
export function addedLine({ causeway }: CaseFigures): string | undefined {
  if (causeway?.addedP50 === undefined) return undefined;
  return `causeway adds ${causeway.addedP50.toFixed(2)} ms at the median (to reach: below 4 ms)`;
}

export function storageText({ stream, duringLongStream, longTokens }: StorageCalls): string {
  return [
    "",
    "storage calls of a streamed request on a warm environment, counted at the store",
    `before the first byte: ${sumOf(stream.beforeFirstByte)} calls in ${stream.waitsBeforeFirstByte.toFixed(1)} waits (to reach: 4 in 2)${listed(stream.beforeFirstByte)}`,
    `while it streams: ${sumOf(stream.during)}${listed(stream.during)}`,
    `after the last byte: ${sumOf(stream.afterLastByte)} calls in ${stream.waitsAfterLastByte.toFixed(1)} waits (to reach: 2 waits)${listed(stream.afterLastByte)}`,
    `while ${longTokens} output tokens stream: ${sumOf(duringLongStream)}${listed(duringLongStream)}`,
  ].join("\n");
}

function sumOf(calls: CallsByName): string {
  return trimmed(Object.values(calls).reduce((sum, count) => sum + count, 0));
}

function listed(calls: CallsByName): string {
  return Object.entries(calls)
    .map(([name, count]) => `\n    ${trimmed(count).padStart(5)}  ${name}`)
    .join("");
}

function trimmed(count: number): string {
  return String(round(count, 1));
}

export function coldStartText(cold: ColdStart): string {
  return [
    "",
    `cold start: the relay's bundle is ${cold.bundleKiB.toFixed(0)} KiB and loads in ${cold.initMilliseconds.toFixed(0)} ms`,
    `first answer of a new environment: ${cold.firstAnswerMilliseconds.toFixed(0)} ms, the next one: ${cold.secondAnswerMilliseconds.toFixed(0)} ms`,
  ].join("\n");
}

export function machineText({ node, processors, loadBefore, loadAfter, peer }: Machine): string {
  const peers = peer === null ? "" : `, ${peer}`;
  return `Node ${node}${peers}, ${processors} processors, load ${loadBefore.toFixed(1)} before and ${loadAfter.toFixed(1)} after`;
}

/** A case that was not run is absent, and so is who did not take part in it. Numbers have three digits after the point. */
export function jsonOf(machine: Machine, cases: Readonly<Record<string, object>>): string {
  return JSON.stringify({ machine, cases }, (_name, value: unknown) =>
    typeof value === "number" ? round(value, 3) : value,
  );
}
