// The Jobs table, where a job ends or goes on by something other than its own work: a wish, a redrive, an execution's end.
import { TransactionCanceledException } from "@aws-sdk/client-dynamodb";
import { type DynamoDBDocumentClient, TransactWriteCommand, UpdateCommand } from "@aws-sdk/lib-dynamodb";
import type { AuditPut } from "../shared/audit.store.ts";
import { CausewayError, isErrorNamed } from "../shared/errors.ts";
import type { Job, JobState } from "../shared/jobs.ts";

/** What a job says that did not end by itself. */
export type JobEnding = Pick<Job, "state" | "sentence" | "error"> & { readonly finishedAt: string };

interface JobChange {
  readonly Key: { readonly jobId: string; readonly item: "job" };
  readonly UpdateExpression: string;
  readonly ConditionExpression: string;
  readonly ExpressionAttributeNames: Record<string, string>;
  readonly ExpressionAttributeValues: Record<string, unknown>;
}

export class JobEndsStore {
  readonly #client: DynamoDBDocumentClient;
  readonly #table: string;

  constructor(client: DynamoDBDocumentClient, table: string) {
    this.#client = client;
    this.#table = table;
  }

  /** Notes that somebody wants it to end, with its audit item. Throws `Conflict` where it has ended already. */
  async requestCancel(jobId: string, at: string, audit: AuditPut): Promise<void> {
    await this.#changeWithAudit(audit, `Job ${jobId} has ended already; there is nothing left to cancel.`, {
      Key: { jobId, item: "job" },
      UpdateExpression: "SET #cancelRequestedAt = if_not_exists(#cancelRequestedAt, :at)",
      ConditionExpression: "#state IN (:queued, :running)",
      ExpressionAttributeNames: { "#cancelRequestedAt": "cancelRequestedAt", "#state": "state" },
      ExpressionAttributeValues: { ":at": at, ":queued": "queued", ":running": "running" },
    });
  }

  /** Sets an ended job running again, with its audit item. Throws `Conflict` where it changed since `seen`. */
  async reopen(jobId: string, seen: JobState, at: string, audit: AuditPut): Promise<void> {
    await this.#changeWithAudit(audit, `Job ${jobId} changed while it was to be redriven; look again.`, {
      Key: { jobId, item: "job" },
      UpdateExpression:
        "SET #state = :running, #phase = :phase, #heartbeatAt = :at REMOVE #finishedAt, #cancelRequestedAt, #error, #sentence",
      ConditionExpression: "#state = :seen",
      ExpressionAttributeNames: {
        "#state": "state",
        "#phase": "phase",
        "#heartbeatAt": "heartbeatAt",
        "#finishedAt": "finishedAt",
        "#cancelRequestedAt": "cancelRequestedAt",
        "#error": "error",
        "#sentence": "sentence",
      },
      ExpressionAttributeValues: { ":running": "running", ":phase": "redriven", ":at": at, ":seen": seen },
    });
  }

  /** False where the job is not there, or had ended already: what it said then stays. */
  async closeUnlessFinished(jobId: string, executionArn: string, ending: JobEnding): Promise<boolean> {
    const entries = Object.entries({ ...ending, phase: "finished", heartbeatAt: ending.finishedAt });
    try {
      await this.#client.send(
        new UpdateCommand({
          TableName: this.#table,
          Key: { jobId, item: "job" },
          UpdateExpression: `SET ${entries.map((_, index) => `#n${index} = :v${index}`).join(", ")}`,
          ConditionExpression: "#state IN (:queued, :running) AND #executionArn = :executionArn",
          ExpressionAttributeNames: {
            "#state": "state",
            "#executionArn": "executionArn",
            ...Object.fromEntries(entries.map(([name], index) => [`#n${index}`, name])),
          },
          ExpressionAttributeValues: {
            ":queued": "queued",
            ":running": "running",
            ":executionArn": executionArn,
            ...Object.fromEntries(entries.map(([, value], index) => [`:v${index}`, value])),
          },
        }),
      );
      return true;
    } catch (error) {
      if (isErrorNamed(error, "ConditionalCheckFailedException")) return false;
      throw error;
    }
  }

  /** Puts back how the job had ended before `reopen`, unless it was changed since (`reopenedAt`). */
  async closeAgain({ jobId, ...before }: Job, reopenedAt: string): Promise<void> {
    const { state, phase, finishedAt, cancelRequestedAt, error, sentence } = before;
    const entries = Object.entries({ state, phase, finishedAt, cancelRequestedAt, error, sentence });
    const given = entries.filter(([, value]) => value !== undefined);
    try {
      await this.#client.send(
        new UpdateCommand({
          TableName: this.#table,
          Key: { jobId, item: "job" },
          UpdateExpression: `SET ${given.map(([name]) => `#${name} = :${name}`).join(", ")}`,
          ConditionExpression: "#heartbeatAt = :reopenedAt",
          ExpressionAttributeNames: Object.fromEntries(
            [...given.map(([name]) => name), "heartbeatAt"].map((name) => [`#${name}`, name]),
          ),
          ExpressionAttributeValues: {
            ":reopenedAt": reopenedAt,
            ...Object.fromEntries(given.map(([name, value]) => [`:${name}`, value])),
          },
        }),
      );
    } catch (thrown) {
      if (!isErrorNamed(thrown, "ConditionalCheckFailedException")) throw thrown;
    }
  }

  async #changeWithAudit(audit: AuditPut, conflict: string, update: JobChange): Promise<void> {
    try {
      await this.#client.send(
        new TransactWriteCommand({ TransactItems: [{ Update: { TableName: this.#table, ...update } }, audit] }),
      );
    } catch (error) {
      if (isConditionFailed(error)) throw new CausewayError("Conflict", conflict);
      throw error;
    }
  }
}

/** A transaction may also be cancelled because another one was quicker: that passes. */
function isConditionFailed(error: unknown): boolean {
  if (!(error instanceof TransactionCanceledException)) return false;
  return (error.CancellationReasons ?? []).some(({ Code }) => Code === "ConditionalCheckFailed");
}
