// The newest (or oldest) items of a table's list by time: indexes with partition `listing`, as lib/stacks/data-stack.ts has them.
import { type DynamoDBDocumentClient, QueryCommand } from "@aws-sdk/lib-dynamodb";

export interface ListQuestion {
  readonly table: string;
  readonly index: string;
  readonly listing: string;
  readonly oldestFirst?: boolean;
  readonly attributes: readonly string[];
  readonly most: number;
}

export class StateListsStore {
  readonly #client: DynamoDBDocumentClient;

  constructor(client: DynamoDBDocumentClient) {
    this.#client = client;
  }

  /** At most `most` items, with the attributes that were asked for. */
  async read(question: ListQuestion): Promise<Record<string, unknown>[]> {
    const { table, index, listing, oldestFirst = false, attributes, most } = question;
    const items: Record<string, unknown>[] = [];
    let from: Record<string, unknown> | undefined;
    do {
      const page = await this.#client.send(
        new QueryCommand({
          TableName: table,
          IndexName: index,
          KeyConditionExpression: "#listing = :listing",
          ProjectionExpression: attributes.map((_, at) => `#a${at}`).join(", "),
          ExpressionAttributeNames: {
            "#listing": "listing",
            ...Object.fromEntries(attributes.map((name, at) => [`#a${at}`, name])),
          },
          ExpressionAttributeValues: { ":listing": listing },
          ScanIndexForward: oldestFirst,
          Limit: most - items.length,
          ExclusiveStartKey: from,
        }),
      );
      items.push(...(page.Items ?? []));
      from = page.LastEvaluatedKey;
    } while (from !== undefined && items.length < most);
    return items;
  }
}
