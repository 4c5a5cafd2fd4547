// Executions as Step Functions knows them.
import { DescribeExecutionCommand, type SFNClient, StartExecutionCommand } from "@aws-sdk/client-sfn";
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

  /** Starts an execution and answers with its ARN, also when one of this name was begun before: names are never used twice. */
  async begin(execution: { stateMachineArn: string; name: string; input: string }): Promise<string> {
    const { stateMachineArn, name } = execution;
    const known = `${stateMachineArn.replace(":stateMachine:", ":execution:")}:${name}`;
    try {
      const { executionArn = known } = await this.#client.send(new StartExecutionCommand(execution));
      return executionArn;
    } catch (error) {
      if (!isErrorNamed(error, "ExecutionAlreadyExists")) throw error;
      return known;
    }
  }
}
