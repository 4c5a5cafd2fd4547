// The vendor's clients with the house's settings. Endpoints come from the standard AWS_ENDPOINT_URL… variables.
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";

/** Attempts in all of a small call (a table item, a list page); the waits between them are the SDK's. */
export const smallCallAttempts = 5;

export function documentClient(): DynamoDBDocumentClient {
  return DynamoDBDocumentClient.from(new DynamoDBClient({ maxAttempts: smallCallAttempts }), {
    marshallOptions: { removeUndefinedValues: true },
  });
}
