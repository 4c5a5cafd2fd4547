// Entry: keeps the schema of a database beside its export. It runs inside the database's network.
import { S3Client } from "@aws-sdk/client-s3";
import { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import * as z from "zod";
import { smallCalls } from "../shared/aws-clients.ts";
import { readEnvironment } from "../shared/environment.ts";
import { log } from "../shared/log.ts";
import { makeHandler } from "../shared/make-handler.ts";
import { keepSchemaEnvironment } from "./config.ts";
import { DatabaseSecretsStore } from "./database-secrets.store.ts";
import { keepSchema } from "./exports/keep-schema.ts";
import { SchemaFilesStore } from "./schema-files.store.ts";
import { schemaSources } from "./schemas/index.ts";

export const handler = makeHandler({
  input: z.object({
    databaseId: z.string(),
    prefix: z.string(),
    taskId: z.string(),
    connection: z.object({
      engine: z.enum(["mysql", "mariadb", "postgres"]),
      host: z.string(),
      port: z.number().optional(),
      databases: z.array(z.string()),
    }),
  }),
  build: () => {
    const environment = readEnvironment(keepSchemaEnvironment);
    return {
      secrets: new DatabaseSecretsStore(new SecretsManagerClient(smallCalls), environment.DATABASE_SECRETS_PATH),
      files: new SchemaFilesStore(new S3Client(smallCalls), environment.BACKUPS_BUCKET),
    };
  },
  run: async (input, { secrets, files }) => {
    const outcome = await keepSchema(input, {
      credentials: () => secrets.read(input.databaseId),
      open: (connection) => schemaSources[input.connection.engine].open(connection),
      write: (key, pieces) => files.write(key, pieces),
      now: Date.now,
    });
    log.info("schema kept", { databaseId: input.databaseId, taskId: input.taskId });
    return outcome;
  },
});
