// One item per channel in the Alerts table: who is at work on it, when it sent its last messages, until when it rests.
import { type DynamoDBDocumentClient, UpdateCommand } from "@aws-sdk/lib-dynamodb";
import { isErrorNamed } from "../shared/errors.ts";
import type { ChannelState } from "./deliver-channel.ts";

const partition = "channels";

export class ChannelStatesStore {
  readonly #client: DynamoDBDocumentClient;
  readonly #table: string;

  constructor(client: DynamoDBDocumentClient, table: string) {
    this.#client = client;
    this.#table = table;
  }

  /** A lease that is over is anybody's. Undefined: somebody else holds it. Times in milliseconds since 1970. */
  async take(channel: string, holder: string, now: number, until: number): Promise<ChannelState | undefined> {
    try {
      const answer = await this.#client.send(
        new UpdateCommand({
          TableName: this.#table,
          Key: { partition, item: channel },
          UpdateExpression: "SET #holder = :holder, #until = :until",
          ConditionExpression: "attribute_not_exists(#until) OR #until <= :now OR #holder = :holder",
          ExpressionAttributeNames: { "#holder": "leaseHolder", "#until": "leaseUntil" },
          ExpressionAttributeValues: { ":holder": holder, ":until": until, ":now": now },
          ReturnValues: "ALL_NEW",
        }),
      );
      const { sentAt = [], pausedUntil = 0 } = (answer.Attributes ?? {}) as Partial<ChannelState>;
      return { sentAt, pausedUntil };
    } catch (error) {
      if (isErrorNamed(error, "ConditionalCheckFailedException")) return undefined;
      throw error;
    }
  }

  /** Whoever lost the lease meanwhile changes nothing. */
  async keep(channel: string, holder: string, state: ChannelState): Promise<void> {
    await this.#asHolder(channel, holder, "SET #sentAt = :sentAt, #pausedUntil = :pausedUntil", state);
  }

  async letGo(channel: string, holder: string, state: ChannelState): Promise<void> {
    const update = "SET #sentAt = :sentAt, #pausedUntil = :pausedUntil REMOVE #until";
    await this.#asHolder(channel, holder, update, state, { "#until": "leaseUntil" });
  }

  /** A message that was sent beside the lease, such as a test: it counts towards the channel's minute all the same. */
  async noteSent(channel: string, at: number): Promise<void> {
    await this.#client.send(
      new UpdateCommand({
        TableName: this.#table,
        Key: { partition, item: channel },
        UpdateExpression: "SET #sentAt = list_append(if_not_exists(#sentAt, :none), :one)",
        ExpressionAttributeNames: { "#sentAt": "sentAt" },
        ExpressionAttributeValues: { ":none": [], ":one": [at] },
      }),
    );
  }

  async #asHolder(
    channel: string,
    holder: string,
    update: string,
    { sentAt, pausedUntil }: ChannelState,
    names: Record<string, string> = {},
  ): Promise<void> {
    try {
      await this.#client.send(
        new UpdateCommand({
          TableName: this.#table,
          Key: { partition, item: channel },
          UpdateExpression: update,
          ConditionExpression: "#holder = :holder",
          ExpressionAttributeNames: {
            "#holder": "leaseHolder",
            "#sentAt": "sentAt",
            "#pausedUntil": "pausedUntil",
            ...names,
          },
          ExpressionAttributeValues: { ":holder": holder, ":sentAt": sentAt, ":pausedUntil": pausedUntil },
        }),
      );
    } catch (error) {
      if (!isErrorNamed(error, "ConditionalCheckFailedException")) throw error;
    }
  }
}
