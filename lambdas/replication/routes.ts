// The routes of replication, as data: backups and snapshots as they are now, copies and exports, and what starts work on them.
import * as z from "zod";
import { cursorPageOf, cursorPaging, idText, limitField, timeText } from "../shared/route-fields.ts";
import type { Route } from "../shared/routes.ts";
import {
  browsedBackups,
  copyShape,
  copyWithReceipts,
  exportShape,
  exportWithReceipt,
  longestWindowDays,
  snapshotShape,
  snapshotVerdicts,
  startedWork,
} from "./api/answers.ts";
import { copyStates } from "./copy.ts";
import { exportStates } from "./exports/export-item.ts";
import { mostSnapshots, snapshotArnPattern } from "./exports/export-request.ts";

const instanceId = z
  .string("Give an instance's id, such as rm-bp1example.")
  .regex(/^[a-z0-9-]{1,64}$/i, "Give an instance's id, such as rm-bp1example.")
  .describe("An Aliyun RDS instance");

const engine = z
  .string()
  .regex(/^[a-z0-9-]{1,32}$/, "Give an engine in lower case, such as mysql.")
  .describe("Lower case: mysql, mariadb, postgresql …");

const databaseId = z
  .string()
  .regex(/^[A-Za-z][A-Za-z0-9-]{0,62}$/, "Give the identifier of a DB instance or cluster.")
  .describe("A DB instance or cluster");

const oneOf = <const Names extends readonly [string, ...string[]]>(names: Names) =>
  z.enum(names, `Give one of ${names.join(", ")}.`);

/** The fields of a window in a query. */
const windowQuery = {
  start: timeText()
    .optional()
    .describe(
      "Backups begun from then on; left out: as far before the end as the schedule looks back, a month at most",
    ),
  end: timeText().optional().describe("Backups begun until then; left out: now"),
};

const backupIds = z
  .array(z.string("Give a backup's id.").regex(/^[\w.-]{1,64}$/, "Give a backup's id, such as 321020562."), {
    error: "Give a list of backup ids.",
  })
  .min(1, "Give at least one backup's id.")
  .max(100, "Give at most 100 backup ids at once.");

const force = z.boolean("Give true or false.").optional();

const copiesBody = z
  .strictObject(
    {
      instanceId,
      backupIds,
      window: z
        .strictObject({ start: timeText(), end: timeText() }, "Give a window with start and end.")
        .refine(({ start, end }) => start < end, "Give a start that is before the end.")
        .refine(
          ({ start, end }) => Date.parse(end) - Date.parse(start) <= longestWindowDays * 86_400_000,
          `Give a window of at most ${longestWindowDays} days.`,
        )
        .optional()
        .describe("Where the backups are looked for, by their beginning; left out: as far back as the schedule looks"),
      force: force.describe("Copy again what was copied before, and replace it"),
    },
    "Give an object with instanceId and backupIds.",
  )
  .meta({ examples: [{ instanceId: "rm-bp1example", backupIds: ["321020562"], force: false }] });

const exportsBody = z
  .strictObject(
    {
      snapshotArns: z
        .array(z.string("Give the ARN of a snapshot.").regex(snapshotArnPattern, "Give the ARN of a snapshot."), {
          error: "Give a list of ARNs.",
        })
        .min(1, "Give at least one ARN, or leave the list out.")
        .max(mostSnapshots, `Give at most ${mostSnapshots} ARNs at once.`)
        .optional()
        .describe("Exactly these; left out: the newest usable snapshot of every database that is not exported yet"),
      force: force.describe("Export again what was exported before"),
    },
    "Give an object; {} exports whatever is due.",
  )
  .meta({
    examples: [{}, { snapshotArns: ["arn:aws:rds:eu-central-1:123456789012:snapshot:orders-2026-11-20"], force: true }],
  });

const reconcileBody = z
  .strictObject(
    {
      prefix: z
        .string("Give the beginning of keys in S3.")
        .min(1, "Give the beginning of keys in S3, or leave it out.")
        .max(900, "Give the beginning of keys in S3; this is too long.")
        .optional()
        .describe("Only keys of the backups bucket that begin so; left out: everything that is mirrored"),
      readData: z
        .boolean("Give true or false.")
        .optional()
        .describe("Read and sum every object on both sides anew: slow, and paid for by the byte"),
    },
    "Give an object; {} compares everything that is mirrored.",
  )
  .meta({ examples: [{}, { prefix: "mysql/rm-bp1example/", readData: true }] });

const base = "/api/replication";

export const routes = [
  {
    method: "GET",
    path: `${base}/aliyun/backups`,
    operation: "browseAliyunBackups",
    entry: "browse-aliyun",
    access: "viewer",
    summary: "Asks Aliyun now: a page of instances, or one instance's backups, each with whether it would be copied",
    description:
      "Without `instanceId` a page of the account's instances; with it the backups of that instance in a window of at most " +
      `${longestWindowDays} days, the newest first, each judged as a run would judge it. Download links are not told. ` +
      "`limit` and `cursor` are of instances, `start` and `end` of backups.",
    query: z.strictObject({
      instanceId: instanceId.optional(),
      ...windowQuery,
      cursor: cursorPaging.cursor,
      limit: limitField(100, 30),
    }),
    data: browsedBackups,
  },
  {
    method: "POST",
    path: `${base}/aliyun/copies`,
    operation: "startCopies",
    entry: "start-replication",
    access: "operator",
    summary: "Copies backups of one instance to S3: a run of its own, beside those of the schedule",
    body: copiesBody,
    data: startedWork,
    status: 202,
    idempotent: true,
    audited: "started copies",
  },
  {
    method: "GET",
    path: `${base}/aws/snapshots`,
    operation: "browseSnapshots",
    entry: "browse-snapshots",
    access: "viewer",
    summary: "Asks RDS now: every snapshot, with what the next run would do with it, and why",
    description:
      "The newest first. Each page asks RDS for the whole list, for one snapshot's verdict depends on the others. " +
      "409 where the stage has no replication.exports.",
    query: z.strictObject({
      ...cursorPaging,
      databaseId: databaseId.optional(),
      verdict: oneOf(snapshotVerdicts).optional(),
    }),
    data: cursorPageOf(snapshotShape),
  },
  {
    method: "GET",
    path: `${base}/aws/exports`,
    operation: "listExports",
    entry: "answer-replication",
    access: "viewer",
    summary: "Lists exports of snapshots, the last changed first",
    description: "A page may hold fewer items than its limit, even none, and still have a cursor.",
    query: z.strictObject({ ...cursorPaging, state: oneOf(exportStates).optional() }),
    data: cursorPageOf(exportShape),
  },
  {
    method: "POST",
    path: `${base}/aws/exports`,
    operation: "startExports",
    entry: "start-replication",
    access: "operator",
    summary: "Exports RDS snapshots to S3: these, or whatever is due",
    description: "409 where the stage has no replication.exports.",
    body: exportsBody,
    data: startedWork,
    status: 202,
    idempotent: true,
    audited: "started snapshot exports",
  },
  {
    method: "GET",
    path: `${base}/aws/exports/{exportId}`,
    operation: "getExport",
    entry: "answer-replication",
    access: "viewer",
    summary: "One export, with its signed receipt",
    pathParameters: z.strictObject({ exportId: idText("an export", 64) }),
    data: exportWithReceipt,
  },
  {
    method: "GET",
    path: `${base}/copies`,
    operation: "listCopies",
    entry: "answer-replication",
    access: "viewer",
    summary: "Lists copies of backups, the last changed first",
    description:
      "A page may hold fewer items than its limit, even none, and still have a cursor: filters look at 2,000 at a time.",
    query: z.strictObject({
      ...cursorPaging,
      state: oneOf(copyStates).optional(),
      instanceId: instanceId.optional(),
      engine: engine.optional(),
    }),
    data: cursorPageOf(copyShape),
  },
  {
    method: "GET",
    path: `${base}/copies/{copyId}`,
    operation: "getCopy",
    entry: "answer-replication",
    access: "viewer",
    summary: "One copy, with its signed receipts: of the copy, and of the mirror where it is in OSS as well",
    pathParameters: z.strictObject({
      copyId: idText("a copy").meta({ examples: ["aliyun-rds:rm-bp1example:321020562"] }),
    }),
    data: copyWithReceipts,
  },
  {
    method: "POST",
    path: `${base}/mirror/reconcile`,
    operation: "startReconciliation",
    entry: "start-replication",
    access: "operator",
    summary: "Compares S3 with OSS, copies what is missing there, and reports what only OSS has",
    description: "409 where the stage has no replication.mirror.",
    body: reconcileBody,
    data: startedWork,
    status: 202,
    idempotent: true,
    audited: "started a reconciliation of the mirror",
  },
] as const satisfies readonly Route[];
