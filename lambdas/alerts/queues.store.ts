// SQS as alerts uses it: how full a queue is, a word to wake the deliveries, and the dead letters of alerts.
import {
  GetQueueAttributesCommand,
  SendMessageBatchCommand,
  SendMessageCommand,
  type SQSClient,
} from "@aws-sdk/client-sqs";
import { CausewayError } from "../shared/errors.ts";
import type { UndeliveredAlert } from "./find-undelivered.ts";

/** SendMessageBatch takes so many. */
const messagesPerBatch = 10;

export class QueuesStore {
  readonly #client: SQSClient;

  constructor(client: SQSClient) {
    this.#client = client;
  }

  /** Visible, in flight and delayed: a person who looks at a message hides it for a while. */
  async countMessages(queueUrl: string): Promise<number> {
    const names = [
      "ApproximateNumberOfMessages",
      "ApproximateNumberOfMessagesNotVisible",
      "ApproximateNumberOfMessagesDelayed",
    ] as const;
    const answer = await this.#client.send(
      new GetQueueAttributesCommand({ QueueUrl: queueUrl, AttributeNames: [...names] }),
    );
    return names.reduce((sum, name) => sum + Number(answer.Attributes?.[name] ?? 0), 0);
  }

  async wake(queueUrl: string): Promise<void> {
    await this.#client.send(new SendMessageCommand({ QueueUrl: queueUrl, MessageBody: "{}" }));
  }

  /** Throws `AwsUnavailable` when the queue did not take one of them. */
  async keepUndelivered(queueUrl: string, alerts: readonly UndeliveredAlert[]): Promise<void> {
    for (let from = 0; from < alerts.length; from += messagesPerBatch) {
      const entries = alerts.slice(from, from + messagesPerBatch).map((alert, index) => ({
        Id: String(index),
        MessageBody: JSON.stringify(alert),
      }));
      const answer = await this.#client.send(new SendMessageBatchCommand({ QueueUrl: queueUrl, Entries: entries }));
      const failed = answer.Failed?.[0];
      if (failed) throw new CausewayError("AwsUnavailable", `The dead-letter queue refused an alert: ${failed.Code}.`);
    }
  }
}
