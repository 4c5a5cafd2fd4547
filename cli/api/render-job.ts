// A job of any kind while it works: lines that are drawn in place, or one line where nothing is.
import { isFinished, type JobKind, type JobView } from "../../lambdas/shared/jobs.ts";
import { liveLines, type Space, summaryLine } from "../render-run.ts";
import { clip } from "../terminal-text.ts";

/** What its units are. */
const nouns: Readonly<Record<JobKind, string>> = {
  "replication-run": "backups",
  "snapshot-export": "snapshots",
  "mirror-object": "objects",
  "mirror-reconciliation": "prefixes",
  "relay-usage-export": "files",
};

/** Lines that fit into the space. */
export function jobLines(view: JobView, space: Space): string[] {
  const last = clip(`  ${settledWords(view)}`, space.columns);
  if (view.units.length === 0) return [last];
  // The last line speaks of backups, whatever the units are.
  return [...liveLines(view, space).slice(0, -1), last];
}

export function jobLine(view: JobView): string {
  return view.kind === "replication-run" && view.units.length > 0 ? summaryLine(view) : settledWords(view);
}

function settledWords(view: JobView): string {
  if (view.state === "queued") return "waiting to begin";
  if (view.units.length === 0) return view.phase;
  const settled = view.units.filter(({ finishedAt }) => finishedAt !== undefined).length;
  const failed = view.units.filter(({ outcome }) => outcome === "failed").length;
  const wish = view.cancelRequestedAt !== undefined && !isFinished(view.state) ? ", asked to end" : "";
  const bad = failed > 0 ? `, ${failed} failed` : "";
  return `${view.phase}: ${settled} of ${view.units.length} ${nouns[view.kind]} settled${bad}${wish}`;
}
