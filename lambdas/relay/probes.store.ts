// Tests of accounts by hand: made by the function that also tests them by schedule, for it alone may open credentials and call upstreams.
import { InvokeCommand, type LambdaClient } from "@aws-sdk/client-lambda";
import * as z from "zod";
import { CausewayError } from "../shared/errors.ts";

const answerSchema = z.object({
  probed: z.array(
    z.object({
      accountId: z.string(),
      ok: z.boolean(),
      status: z.int().nullable(),
      said: z.string(),
      milliseconds: z.number(),
      state: z.string(),
    }),
  ),
});

type Probe = z.output<typeof answerSchema>["probed"][number];

export class ProbesStore {
  readonly #client: LambdaClient;
  readonly #functionName: string;

  constructor(client: LambdaClient, functionName: string) {
    this.#client = client;
    this.#functionName = functionName;
  }

  /** What the upstream said to the account. Throws `AwsUnavailable` where the test itself failed. */
  async probe(accountId: string): Promise<Probe> {
    const { Payload, FunctionError } = await this.#client.send(
      new InvokeCommand({ FunctionName: this.#functionName, Payload: JSON.stringify({ accountId }) }),
    );
    const text = Buffer.from(Payload ?? []).toString("utf8");
    if (FunctionError !== undefined) {
      throw new CausewayError("AwsUnavailable", "The function that tests accounts failed.", {
        details: { FunctionError },
      });
    }
    const [probe] = answerSchema.parse(JSON.parse(text)).probed;
    if (probe === undefined) throw new CausewayError("NotFound", `There is no account ${accountId}.`);
    return probe;
  }
}
