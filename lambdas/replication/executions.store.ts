// Executions as Step Functions knows them.
import { DescribeExecutionCommand, type SFNClient } from "@aws-sdk/client-sfn";
import { isErrorNamed } from "../shared/errors.ts";

export class ExecutionsStore {
  readonly #client: SFNClient;

  constructor(client: SFNClient) {
    this.#client = client;
  }

  /** An execution that nobody knows any more was closed long ago: its history is kept for 90 days. */
  async isClosed(executionArn: string): Promise<boolean> {
    try {
      const { status } = await this.#client.send(new DescribeExecutionCommand({ executionArn }));
      return status !== "RUNNING" && status !== "PENDING_REDRIVE";
    } catch (error) {
      if (isErrorNamed(error, "ExecutionDoesNotExist")) return true;
      throw error;
    }
  }
}
