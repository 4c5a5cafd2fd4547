// The Jobs table through given client settings: an endpoint and keys, or none for the standard ones.
import { DynamoDBClient, type DynamoDBClientConfig } from "@aws-sdk/client-dynamodb";
import { DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";
import { JobsStore } from "../lambdas/shared/jobs.store.ts";

export function openJobs(config: DynamoDBClientConfig, table: string): JobsStore {
  return new JobsStore(DynamoDBDocumentClient.from(new DynamoDBClient(config)), table);
}
