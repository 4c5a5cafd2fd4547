// The vendor's clients with the house's settings. Endpoints come from the standard AWS_ENDPOINT_URL… variables.
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";

/** Settings for small calls (a table item, a list page): attempts in all; the waits between them are the SDK's. */
export const smallCalls = { maxAttempts: 5 } as const;

export function documentClient(): DynamoDBDocumentClient {
  return DynamoDBDocumentClient.from(new DynamoDBClient(smallCalls), {
    marshallOptions: { removeUndefinedValues: true },
  });
}
