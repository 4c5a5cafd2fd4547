// Starts a workflow for a request: its execution has the request's own name, so that whoever repeats it begins nothing twice.
import type * as z from "zod";
import { CausewayError } from "../../shared/errors.ts";
import type { Job, JobKind } from "../../shared/jobs.ts";
import type { startedWork } from "./answers.ts";

export interface Work {
  readonly workflow: z.output<typeof startedWork>["workflow"];
  /** Empty where the stage does not have the workflow. */
  readonly stateMachineArn: string;
  /** The execution's name, and the job's id. */
  readonly workId: string;
  readonly input: object;
}

export interface StartPorts {
  /** Answers with the execution's ARN, also when it was begun before. */
  begin(execution: { stateMachineArn: string; name: string; input: string }): Promise<string>;
  /** Enters the job unless the workflow itself has done so. */
  enterJob(job: Job): Promise<void>;
  note(details: Readonly<Record<string, unknown>>): void;
  now(): number;
}

export interface Started {
  readonly data: z.input<typeof startedWork>;
  readonly location: string;
}

const kinds = {
  "replicate-backups": "replication-run",
  "export-rds-snapshot": "snapshot-export",
  "reconcile-mirror": "mirror-reconciliation",
} as const satisfies Record<Work["workflow"], JobKind>;

export const notExporting =
  "This stage exports no RDS snapshots. Set replication.exports in its settings file, and deploy it.";

const missing = {
  "replicate-backups": "This stage has no workflow that copies backups.",
  "export-rds-snapshot": notExporting,
  "reconcile-mirror": "This stage mirrors nothing to OSS. Set replication.mirror in its settings file, and deploy it.",
} as const satisfies Record<Work["workflow"], string>;

/** Throws `Conflict` where the stage does not have the workflow. */
export async function startWork(work: Work, ports: StartPorts): Promise<Started> {
  const { workflow, stateMachineArn, workId, input } = work;
  if (stateMachineArn === "") throw new CausewayError("Conflict", missing[workflow]);
  ports.note({ jobId: workId, workflow, input });
  const executionArn = await ports.begin({ stateMachineArn, name: workId, input: JSON.stringify(input) });
  const at = new Date(ports.now()).toISOString();
  // The workflow enters the job as its first step: until then, whoever follows the address finds it waiting.
  await ports.enterJob({
    jobId: workId,
    kind: kinds[workflow],
    state: "queued",
    phase: "asked for",
    startedAt: at,
    heartbeatAt: at,
    executionArn,
  });
  return { data: { jobId: workId, workflow }, location: `/api/jobs/${workId}` };
}
