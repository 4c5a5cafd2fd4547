// The routes of console, as data: jobs, schedules, health, configuration, audit, metrics and the documents.
import * as z from "zod";
import { jobKinds, jobStates } from "../shared/jobs.ts";
import {
  cursorPageOf,
  cursorPaging,
  idText,
  limitField,
  numberedPageOf,
  numberedPaging,
  timeText,
} from "../shared/route-fields.ts";
import type { Route } from "../shared/routes.ts";
import { scheduleSettings } from "./schedule-fields.ts";

const jobId = z.strictObject({ jobId: idText("a job", 100) });
const scheduleName = z.strictObject({ name: idText("a schedule", 64) });

const job = z.object({
  jobId: z.string(),
  kind: z.enum(jobKinds),
  state: z.enum(jobStates),
  phase: z.string(),
  startedAt: z.string(),
  heartbeatAt: z.string(),
  finishedAt: z.string().optional(),
  executionArn: z.string().optional(),
  cancelRequestedAt: z.string().optional(),
  sentence: z.string().optional(),
  error: z.object({ name: z.string(), cause: z.string(), action: z.string() }).optional(),
  counts: z.record(z.string(), z.number()).optional(),
});

const unit = z.object({
  unitId: z.string(),
  title: z.string(),
  phase: z.string(),
  bytesTotal: z.number(),
  bytesDone: z.number(),
  bytesPerSecond: z.number(),
  partsTotal: z.number().optional(),
  partsDone: z.number(),
  startedAt: z.string(),
  finishedAt: z.string().optional(),
  outcome: z.string().optional(),
  reason: z.string().optional(),
  proof: z.string().optional(),
  receiptKey: z.string().optional(),
});

const jobView = job.extend({
  bytesDone: z.number(),
  bytesTotal: z.number(),
  bytesPerSecond: z.number(),
  percent: z.int().min(0).max(100),
  /** Absent while no rate is known. */
  secondsLeft: z.number().optional(),
  unitsTotal: z.int(),
  units: z.array(unit),
  cursor: z.string().nullable(),
});

const schedule = z.object({
  name: z.string(),
  description: z.string(),
  ...scheduleSettings.shape,
  /** As the last change over the API wanted it; absent where there was none. */
  wanted: z.object({ ...scheduleSettings.shape, at: z.string(), by: z.string(), version: z.int() }).optional(),
  /** False: what runs is not what was wanted last; a deployment came after it, or Scheduler refused it. */
  isAsWanted: z.boolean(),
  etag: z.string(),
});

const auditEntry = z.object({
  at: z.string(),
  subject: z.string(),
  name: z.string(),
  action: z.string(),
  operation: z.string(),
  target: z.string(),
  outcome: z.string(),
  requestId: z.string(),
  sourceIp: z.string(),
  details: z.record(z.string(), z.unknown()).optional(),
});

const configValue = z.object({
  path: z.string(),
  value: z.unknown(),
  /** `default`, the stage's file, `parameter` of the deployment, or `changed over the API`. */
  source: z.string(),
});

const signInText = z.string().max(4096).optional();

const check = z.object({
  name: z.string(),
  state: z.enum(["ok", "failed"]),
  /** Whether the API is unready without it. */
  isRequired: z.boolean(),
  milliseconds: z.int(),
  problem: z.string().optional(),
});

export const routes = [
  {
    method: "GET",
    path: "/api/jobs",
    operation: "listJobs",
    entry: "answer-requests",
    access: "viewer",
    summary: "Lists jobs of all kinds, newest first",
    query: z.strictObject({
      ...cursorPaging,
      kind: z.enum(jobKinds, `Give one of ${jobKinds.join(", ")}.`).optional(),
      state: z.enum(jobStates, `Give one of ${jobStates.join(", ")}.`).optional(),
    }),
    data: cursorPageOf(job),
  },
  {
    method: "GET",
    path: "/api/jobs/{jobId}",
    operation: "getJob",
    entry: "answer-requests",
    access: "viewer",
    summary: "One job with its progress, and a page of what it works on",
    pathParameters: jobId,
    query: z.strictObject({ ...cursorPaging, limit: limitField(500, 100) }),
    data: jobView,
  },
  {
    method: "POST",
    path: "/api/jobs/{jobId}/cancel",
    operation: "cancelJob",
    entry: "change-jobs",
    access: "operator",
    summary: "Asks a job to end",
    description:
      "A snapshot export ends by itself as soon as its workflow sees the wish, so that its export task is cancelled as well; " +
      "every other job's execution is stopped at once. What has been copied stays, and a later run goes on from there.",
    pathParameters: jobId,
    data: z.object({ jobId: z.string(), cancelRequestedAt: z.string(), how: z.enum(["stopped", "asked"]) }),
    status: 202,
    idempotent: true,
    audited: "cancelled a job",
    auditedInTransaction: true,
  },
  {
    method: "POST",
    path: "/api/jobs/{jobId}/redrive",
    operation: "redriveJob",
    entry: "change-jobs",
    access: "operator",
    summary: "Goes on with a job whose execution failed, was stopped, or ran out of time, from where it stood",
    pathParameters: jobId,
    data: z.object({ jobId: z.string(), redrivenAt: z.string() }),
    status: 202,
    idempotent: true,
    audited: "redrove a job",
    auditedInTransaction: true,
  },
  {
    method: "GET",
    path: "/api/schedules",
    operation: "listSchedules",
    entry: "answer-requests",
    access: "viewer",
    summary: "Lists the schedules as EventBridge Scheduler has them",
    query: z.strictObject(numberedPaging),
    data: numberedPageOf(schedule),
  },
  {
    method: "GET",
    path: "/api/schedules/{name}",
    operation: "getSchedule",
    entry: "answer-requests",
    access: "viewer",
    summary: "One schedule; its ETag is what a change demands",
    pathParameters: scheduleName,
    data: schedule,
  },
  {
    method: "PUT",
    path: "/api/schedules/{name}",
    operation: "changeSchedule",
    entry: "change-schedules",
    access: "admin",
    summary: "Sets when a schedule fires, and whether it does",
    description:
      "It holds until somebody changes it again: over the API, or by a deployment whose template has another time for it.",
    pathParameters: scheduleName,
    body: scheduleSettings,
    data: schedule,
    conditional: true,
    audited: "changed a schedule",
    auditedInTransaction: true,
  },
  {
    method: "GET",
    path: "/api/health",
    operation: "getHealth",
    entry: "show-docs",
    access: "public",
    summary: "Says that the API answers; asks nothing else",
    data: z.object({ status: z.literal("ok"), version: z.string(), at: z.string() }),
  },
  {
    method: "GET",
    path: "/api/ready",
    operation: "getReadiness",
    entry: "check-readiness",
    access: "viewer",
    summary:
      "Looks at everything that the API needs, all at once and for a few seconds at most; 503 where something fails",
    data: z.object({ ready: z.literal(true), checks: z.array(check) }),
  },
  {
    method: "GET",
    path: "/api/config",
    operation: "getConfig",
    entry: "answer-requests",
    access: "operator",
    summary: "The effective settings, each with where it comes from; secrets are hidden",
    data: z.object({ stage: z.string(), items: z.array(configValue) }),
  },
  {
    method: "GET",
    path: "/api/audit",
    operation: "listAudit",
    entry: "answer-requests",
    access: "admin",
    summary: "Who changed what, newest first, by month",
    query: z.strictObject({
      ...cursorPaging,
      month: z
        .string()
        .regex(/^\d{4}-(0[1-9]|1[0-2])$/, 'Give a month in UTC, such as "2026-11".')
        .optional()
        .describe("In UTC; the present one when left out"),
      subject: z.string().min(1, "Give a subject.").max(128, "Give a subject.").optional(),
      operation: z.string().min(1, "Give an operation.").max(64, "Give an operation.").optional(),
      outcome: z.string().min(1, "Give an outcome.").max(64, "Give an outcome.").optional(),
      before: timeText().optional().describe("Only what was earlier; a time of the month"),
    }),
    data: cursorPageOf(auditEntry).extend({ month: z.string() }),
  },
  {
    method: "GET",
    path: "/metrics",
    operation: "showMetrics",
    entry: "show-metrics",
    access: "metrics-token",
    summary: "OpenMetrics from the stored state, the times of the last successes first",
    data: z.string(),
    contentType: "application/openmetrics-text; version=1.0.0; charset=utf-8",
  },
  {
    method: "GET",
    path: "/docs",
    operation: "showDocs",
    entry: "show-docs",
    access: "public",
    summary: "This document, to read and to try",
    data: z.string(),
    contentType: "text/html; charset=utf-8",
  },
  {
    method: "GET",
    path: "/docs/{asset}",
    operation: "showDocsAsset",
    entry: "show-docs",
    access: "public",
    summary: "What the page needs",
    pathParameters: z.strictObject({ asset: idText("a file", 64) }),
    // What the sign-in sends people back to oauth2-redirect.html with; its script reads it from the address.
    query: z.strictObject({
      code: signInText,
      state: signInText,
      error: signInText,
      error_description: signInText,
      error_uri: signInText,
    }),
    data: z.string(),
    contentType: "application/octet-stream",
  },
  {
    method: "GET",
    path: "/openapi.json",
    operation: "getOpenApi",
    entry: "show-docs",
    access: "public",
    summary: "The OpenAPI 3.1 document of this API",
    data: z.string(),
    contentType: "application/json; charset=utf-8",
  },
] as const satisfies readonly Route[];
