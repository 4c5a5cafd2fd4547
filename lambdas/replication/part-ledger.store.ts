// The part ledger: a row per part that the target acknowledged, so that a copy can go on where it was cut off.
import { type DynamoDBDocumentClient, PutCommand, QueryCommand } from "@aws-sdk/lib-dynamodb";
import { namedError } from "../shared/aws-errors.ts";

export interface LedgerPart {
  readonly partNumber: number;
  readonly offset: number;
  readonly bytes: number;
  readonly etag: string;
  /** CRC-64/XZ of the part, decimal text. */
  readonly crc64: string;
  /** CRC-64/NVME of the part, base64. */
  readonly checksum: string;
}

/** Rows are of use until the upload is gone, and the lifecycle aborts uploads after 30 days. */
const keptSeconds = 60 * 86_400;
/** The most parts an upload can have; a query never has to return more. */
const mostParts = 10_000;

export class PartLedgerStore {
  readonly #client: DynamoDBDocumentClient;
  readonly #table: string;

  constructor(client: DynamoDBDocumentClient, table: string) {
    this.#client = client;
    this.#table = table;
  }

  /** Throws `AwsUnavailable` where a part may be sent again, and `AwsRefused` where that would not help. */
  async put(uploadMark: string, part: LedgerPart, nowMilliseconds: number): Promise<void> {
    const expiresAt = Math.floor(nowMilliseconds / 1000) + keptSeconds;
    const item = { ...part, uploadKey: uploadMark, expiresAt };
    try {
      await this.#client.send(new PutCommand({ TableName: this.#table, Item: item }));
    } catch (error) {
      throw namedError(error);
    }
  }

  /** Rows from `firstPart` to `lastPart`, by number. */
  async read(uploadMark: string, firstPart: number, lastPart: number): Promise<LedgerPart[]> {
    const parts: LedgerPart[] = [];
    let from: Record<string, unknown> | undefined;
    do {
      const page = await this.#client.send(
        new QueryCommand({
          TableName: this.#table,
          KeyConditionExpression: "uploadKey = :mark AND partNumber BETWEEN :first AND :last",
          ExpressionAttributeValues: { ":mark": uploadMark, ":first": firstPart, ":last": lastPart },
          ConsistentRead: true,
          ExclusiveStartKey: from,
        }),
      );
      for (const item of page.Items ?? []) parts.push(item as LedgerPart);
      from = page.LastEvaluatedKey;
    } while (from !== undefined && parts.length < mostParts);
    return parts;
  }
}
