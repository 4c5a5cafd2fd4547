// The exports of RDS snapshots: started first, for RDS takes its time; shown when the copies are through.
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { DescribeExportTasksCommand, RDSClient } from "@aws-sdk/client-rds";
import { BatchGetCommand, DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";
import * as z from "zod";
import type { JobView, RunRendering } from "../../cli/follow-run.ts";
import { humanBytes } from "../../cli/render-run.ts";
import { type Column, clip, plain, setInColumns } from "../../cli/terminal-text.ts";
import type { LocalCloud } from "../cloud.ts";
import {
  findCutOff,
  followToEnd,
  type RunResult,
  runIdOf,
  type Stage,
  sayTitle,
  sayWrapped,
  startWorkflow,
} from "./follow-workflow.ts";

export interface ExportsUnderWay {
  /** Those that an earlier stop cut off; else the one that was started just now. */
  readonly executionArns: readonly string[];
  readonly areCutOff: boolean;
  readonly startedAt: number;
}

/** The workflow's own first look; see lambdas/replication/exports/start-export.ts. */
const firstLookSeconds = 30;
const rdsReadMilliseconds = 1_000;
/** DynamoDB hands out this many items in one call. */
const mostItemsAtOnce = 100;

export async function startExports(on: Stage): Promise<ExportsUnderWay> {
  const stateMachineArn = on.cloud.output("ExportRdsSnapshotArn");
  const cutOff = await findCutOff(on, stateMachineArn);
  // Beside one that holds the claims, another would find nothing that is free.
  const executionArns = cutOff.length > 0 ? cutOff : [await startWorkflow(on, stateMachineArn)];
  return { executionArns, areCutOff: cutOff.length > 0, startedAt: Date.now() };
}

/** The status of the first run that failed, else SUCCEEDED. */
export async function showExports(on: Stage, underWay: ExportsUnderWay): Promise<string> {
  sayTitle(on, "Snapshots of AWS RDS, exported to S3 as Parquet");
  const results: RunResult[] = [];
  const follow = async (executionArn: string, how: string) => {
    on.screen.say(`run ${runIdOf(executionArn)} ${how}`);
    if (on.screen.isTerminal) on.screen.say("");
    const result = await followToEnd(on, executionArn, renderingWithRds(on, underWay.startedAt));
    results.push(result);
    return result;
  };
  const how = underWay.areCutOff ? "goes on where it was cut off" : "began with this start";
  for (const executionArn of underWay.executionArns) await showTable(on, await follow(executionArn, how));
  if (underWay.areCutOff) {
    const { view } = await follow(await startWorkflow(on, on.cloud.output("ExportRdsSnapshotArn")), "started");
    sayWrapped(on, `What is left: ${view.sentence ?? "unknown"}`);
  }
  return results.find(({ status }) => status !== "SUCCEEDED")?.status ?? "SUCCEEDED";
}

/** What RDS itself says of its tasks, asked while people wait: the workflow looks much more seldom. */
function renderingWithRds({ cloud }: Stage, startedAt: number): RunRendering {
  const rds = new RDSClient(cloud.clientConfig());
  const tasks = new Map<string, string>();
  let askedAt = 0;
  const ask = async () => {
    const { ExportTasks = [] } = await rds.send(new DescribeExportTasksCommand({}));
    for (const { ExportTaskIdentifier = "", Status = "", PercentProgress = 0 } of ExportTasks) {
      tasks.set(ExportTaskIdentifier, `${Status}, ${PercentProgress} %`);
    }
  };
  const seconds = () => Math.round((Date.now() - startedAt) / 1000);
  const linesOf = (view: JobView | undefined) => {
    if (Date.now() - askedAt > rdsReadMilliseconds) {
      askedAt = Date.now();
      // Only for show: what fails here is asked again in a second.
      ask().catch(() => undefined);
    }
    const open = (view?.units ?? []).filter(({ finishedAt }) => finishedAt === undefined);
    return open.map((unit) => {
      const inRds = [...tasks].findLast(([id]) => id.startsWith(`${unit.unitId}-a`))?.[1];
      // The job knows what the workflow saw when it looked last; RDS knows better.
      return [`  ${plain(unit.title)}`, inRds ? `RDS: ${inRds}` : plain(unit.phase)];
    });
  };
  const wait = () =>
    `${seconds()} s since the start; the workflow looks first after ${firstLookSeconds} s, then ever more seldom`;
  return {
    block: (view, { columns }) => {
      const rows = linesOf(view);
      if (rows.length === 0) return [`  ${view ? view.phase : "asking RDS for its snapshots"} …`];
      const lines = setInColumns([{ tooLong: "middle" }, { tooLong: "middle" }], rows, columns);
      return [...lines, "", `  ${wait()}`].map((line) => clip(line, columns));
    },
    line: (view) => {
      const rows = linesOf(view);
      if (rows.length === 0) return undefined;
      const words = rows.map(([title = "", how]) => `${title.trim()}  ${how}`);
      return `  ${seconds()} s  ${words.join("; ")}`;
    },
  };
}

const resultSchema = z.object({
  exportId: z.string(),
  result: z
    .object({
      tables: z.number(),
      files: z.number(),
      bytes: z.number(),
    })
    .optional(),
});

const marks: Readonly<Record<string, string>> = {
  exported: "✓",
  "already-exported": "=",
  partial: "!",
  waiting: "…",
  failed: "✗",
  cancelled: "✗",
};

async function showTable(on: Stage, { status, view }: RunResult): Promise<void> {
  const { screen, cloud } = on;
  const items = await readItems(
    cloud,
    view.units.map(({ unitId }) => unitId),
  );
  const rows = view.units.map((unit) => {
    const result = items.get(unit.unitId)?.result;
    const there = result && `${result.tables} tables in ${result.files} files of Parquet`;
    return [
      marks[unit.outcome ?? ""] ?? "–",
      plain(unit.title),
      result ? humanBytes(result.bytes) : "",
      unit.outcome ?? unit.phase,
      plain([there, unit.reason].filter(Boolean).join("; ")),
    ];
  });
  const layout: Column[] = [{}, { tooLong: "middle" }, { align: "right" }, {}, { tooLong: "wrap" }];
  const header = ["", "database, snapshot", "size", "outcome", "what is there, or reason against it"];
  if (!screen.isTerminal) screen.say("");
  for (const line of setInColumns(layout, [header, ...rows], screen.columns)) screen.say(line);
  screen.say("");
  sayWrapped(on, view.sentence ?? `The run ended as ${status}.`);
}

async function readItems(cloud: LocalCloud, ids: readonly string[]) {
  const documents = DynamoDBDocumentClient.from(new DynamoDBClient(cloud.clientConfig()));
  const table = cloud.output("ExportsTableName");
  const found = new Map<string, z.infer<typeof resultSchema>>();
  const Keys = [...new Set(ids)].slice(0, mostItemsAtOnce).map((exportId) => ({ exportId }));
  if (Keys.length === 0) return found;
  const { Responses = {} } = await documents.send(new BatchGetCommand({ RequestItems: { [table]: { Keys } } }));
  for (const raw of Responses[table] ?? []) {
    const item = resultSchema.parse(raw);
    found.set(item.exportId, item);
  }
  return found;
}
