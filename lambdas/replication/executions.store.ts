// Executions as Step Functions knows them.
import { DescribeExecutionCommand, type SFNClient, StartExecutionCommand } from "@aws-sdk/client-sfn";
import { CausewayError, isErrorNamed } from "../shared/errors.ts";

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

  /**
   * Starts an execution and answers with its ARN, also when it was begun before under the same name with the same input.
   * Throws `IdempotencyKeyReused` where that one had another input.
   */
  async begin(execution: { stateMachineArn: string; name: string; input: string }): Promise<string> {
    const { stateMachineArn, name, input } = execution;
    const known = `${stateMachineArn.replace(":stateMachine:", ":execution:")}:${name}`;
    try {
      const { executionArn = known } = await this.#client.send(
        new StartExecutionCommand({ stateMachineArn, name, input }),
      );
      return executionArn;
    } catch (error) {
      // Of an execution with this name and input Step Functions says so only once it is closed.
      if (!isErrorNamed(error, "ExecutionAlreadyExists")) throw error;
    }
    const begun = await this.#client.send(new DescribeExecutionCommand({ executionArn: known }));
    if (begun.input === input) return known;
    throw new CausewayError(
      "IdempotencyKeyReused",
      "This Idempotency-Key came with another request before. Give each request a key of its own.",
    );
  }
}
