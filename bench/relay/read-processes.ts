// What processes hold and have taken, from Linux's /proc.
import { readdirSync, readFileSync } from "node:fs";
import { readUsage } from "../copy/measure-process.ts";

/** Present memory in MiB; 0 when it is gone. */
export function residentMiB(processId: number): number {
  try {
    const status = readFileSync(`/proc/${processId}/status`, "utf8");
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) / 1024;
  } catch {
    return 0;
  }
}

/** User and system, since its start. */
export function cpuSecondsOf(processId: number): number {
  return readUsage(processId)?.cpuSeconds ?? 0;
}

/** Children of the process and theirs that run this program. */
export function descendants(processId: number, program: string): number[] {
  const found: number[] = [];
  const parents = new Map(readdirSync("/proc").flatMap((name) => parentOf(name)));
  for (const [child, { name }] of parents) {
    if (name !== program) continue;
    for (let at = parents.get(child); at !== undefined; at = parents.get(at.parent)) {
      if (at.parent !== processId) continue;
      found.push(child);
      break;
    }
  }
  return found;
}

function parentOf(entry: string): [number, { name: string; parent: number }][] {
  if (!/^\d+$/.test(entry)) return [];
  try {
    const stat = readFileSync(`/proc/${entry}/stat`, "utf8");
    const end = stat.lastIndexOf(")");
    const [, parent] = stat.slice(end + 2).split(" ");
    return [[Number(entry), { name: stat.slice(stat.indexOf("(") + 1, end), parent: Number(parent) }]];
  } catch {
    return [];
  }
}
