// The executions of the workflow that mirrors large objects.
import { type SFNClient, StartExecutionCommand } from "@aws-sdk/client-sfn";
import { CausewayError, isErrorNamed } from "../shared/errors.ts";
import type { ExecutionsStore } from "./executions.store.ts";
import type { CurrentObject, MirrorItem, MirrorRun } from "./mirror/mirror-item.ts";
import { mirrorRunNameOf } from "./mirror/mirror-run-name.ts";

/** Executions for one version that ended without mirroring it, before a person has to look. */
const mostAttempts = 100;

export class MirrorRunsStore {
  readonly #client: SFNClient;
  readonly #executions: Pick<ExecutionsStore, "isClosed">;
  readonly #stateMachineArn: string;

  constructor(client: SFNClient, executions: Pick<ExecutionsStore, "isClosed">, stateMachineArn: string) {
    this.#client = client;
    this.#executions = executions;
    this.#stateMachineArn = stateMachineArn;
  }

  /** Starts the execution for this version, or finds the one that runs; an ended one is followed by the next. */
  async start(current: CurrentObject, item: MirrorItem, again: boolean): Promise<MirrorRun> {
    const { versionId } = current;
    const { sourceKey, run } = item;
    const first = run !== undefined && run.versionId === versionId ? run.attempt : 1;
    for (let attempt = first; attempt < first + mostAttempts; attempt += 1) {
      const name = mirrorRunNameOf(sourceKey, versionId ?? current.etag, attempt);
      if (await this.#startNamed(name, { sourceKey, again })) return { name, versionId, attempt };
    }
    throw new CausewayError("AwsRefused", `${mostAttempts} executions for this version of ${sourceKey} have ended.`);
  }

  /** False when an execution of this name has ended. */
  async #startNamed(name: string, input: object): Promise<boolean> {
    try {
      await this.#client.send(
        new StartExecutionCommand({ stateMachineArn: this.#stateMachineArn, name, input: JSON.stringify(input) }),
      );
      return true;
    } catch (error) {
      if (!isErrorNamed(error, "ExecutionAlreadyExists")) throw error;
      const executionArn = `${this.#stateMachineArn.replace(":stateMachine:", ":execution:")}:${name}`;
      return !(await this.#executions.isClosed(executionArn));
    }
  }
}
