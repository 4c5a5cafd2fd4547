// Where keys were used from, in the RelayAccounts table: partition `networks#<key>`, an item per network, dropped after 30 days.
import { type DynamoDBDocumentClient, PutCommand, QueryCommand } from "@aws-sdk/lib-dynamodb";

const networkDays = 30;
/** More than are told of: a list of them is whole. */
const mostNetworks = 250;

export class NetworksStore {
  readonly #client: DynamoDBDocumentClient;
  readonly #table: string;

  constructor(client: DynamoDBDocumentClient, table: string) {
    this.#client = client;
    this.#table = table;
  }

  /** When the key was last noted in each network, milliseconds since 1970; what is older than 30 days is not among them. */
  async networks(keyId: string, now: number): Promise<Map<string, number>> {
    const { Items = [] } = await this.#client.send(
      new QueryCommand({
        TableName: this.#table,
        KeyConditionExpression: "#partition = :partition",
        ExpressionAttributeNames: { "#partition": "partition" },
        ExpressionAttributeValues: { ":partition": partitionOf(keyId) },
        Limit: mostNetworks,
      }),
    );
    // DynamoDB drops items late.
    const alive = Items.filter(({ expiresAt }) => Number(expiresAt) * 1000 > now);
    return new Map(alive.map(({ item, seenAt }) => [String(item), Number(seenAt)]));
  }

  async put(keyId: string, network: string, now: number): Promise<void> {
    const expiresAt = Math.ceil(now / 1000) + networkDays * 86_400;
    await this.#client.send(
      new PutCommand({
        TableName: this.#table,
        Item: { partition: partitionOf(keyId), item: network, seenAt: now, expiresAt },
      }),
    );
  }
}

function partitionOf(keyId: string): string {
  return `networks#${keyId}`;
}
