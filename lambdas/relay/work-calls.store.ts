// Calls to functions of the relay that work on after the answer: Lambda keeps the call until it is taken.
import { InvokeCommand, type LambdaClient } from "@aws-sdk/client-lambda";

export class WorkCallsStore {
  readonly #client: LambdaClient;

  constructor(client: LambdaClient) {
    this.#client = client;
  }

  /** Lambda tries a call that fails twice more, then puts it with the relay's missed work. */
  async begin(functionName: string, event: object): Promise<void> {
    const Payload = JSON.stringify(event);
    await this.#client.send(new InvokeCommand({ FunctionName: functionName, InvocationType: "Event", Payload }));
  }
}
