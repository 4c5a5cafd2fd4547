// Executions of Step Functions: how one stands, and stopping and redriving it.
import {
  DescribeExecutionCommand,
  RedriveExecutionCommand,
  type SFNClient,
  StopExecutionCommand,
} from "@aws-sdk/client-sfn";
import { CausewayError, isErrorNamed } from "../shared/errors.ts";

export interface ExecutionStanding {
  /** RUNNING, SUCCEEDED, FAILED, TIMED_OUT, ABORTED, PENDING_REDRIVE */
  readonly status: string;
  readonly isRedrivable: boolean;
  /** Why it is not redrivable. */
  readonly reason: string | undefined;
  /** The name of the error that it failed with. */
  readonly error: string | undefined;
}

export class ExecutionsStore {
  readonly #client: SFNClient;

  constructor(client: SFNClient) {
    this.#client = client;
  }

  /** Undefined where Step Functions no longer knows it: it drops executions 90 days after their end. */
  async standing(executionArn: string): Promise<ExecutionStanding | undefined> {
    try {
      const answer = await this.#client.send(new DescribeExecutionCommand({ executionArn }));
      return {
        status: answer.status ?? "",
        isRedrivable: answer.redriveStatus === "REDRIVABLE",
        reason: answer.redriveStatusReason,
        error: answer.error,
      };
    } catch (error) {
      if (isErrorNamed(error, "ExecutionDoesNotExist")) return undefined;
      throw error;
    }
  }

  /** Stopping what has ended already changes nothing. */
  async stop(executionArn: string, cause: string): Promise<void> {
    try {
      await this.#client.send(new StopExecutionCommand({ executionArn, error: "Cancelled", cause }));
    } catch (error) {
      if (!isErrorNamed(error, "ExecutionDoesNotExist")) throw error;
    }
  }

  /** The same `token` again changes nothing. Throws `Conflict` where it cannot be redriven. */
  async redrive(executionArn: string, token: string): Promise<void> {
    try {
      await this.#client.send(new RedriveExecutionCommand({ executionArn, clientToken: token }));
    } catch (error) {
      if (!isErrorNamed(error, "ExecutionNotRedrivable", "ExecutionDoesNotExist")) throw error;
      throw new CausewayError("Conflict", "Step Functions cannot redrive this execution any more.", { cause: error });
    }
  }
}
