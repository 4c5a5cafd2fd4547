// How the command reaches the local cloud: by the file that a running `npm start` keeps.
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import * as z from "zod";
import { UsageProblem } from "./usage-problem.ts";

const connectionSchema = z.object({
  endpointUrl: z.string(),
  region: z.string(),
  accessKeyId: z.string(),
  secretAccessKey: z.string(),
  aliyun: z.object({ endpoint: z.string(), protocol: z.enum(["http", "https"]), region: z.string() }),
});

export type LocalConnection = z.infer<typeof connectionSchema>;

/** Written by `npm start` with the operator's local keys, readable by its owner alone. */
export const connectionFile = resolve(import.meta.dirname, "../.causeway/connection.json");

/** Sets the standard AWS variables for this process; returns Aliyun's stand-in. */
export function connectToLocalCloud(): LocalConnection["aliyun"] {
  let text: string;
  try {
    text = readFileSync(connectionFile, "utf8");
  } catch (error) {
    throw new UsageProblem("No local cloud is running here. Start it with: npm start", { cause: error });
  }
  const connection = connectionSchema.parse(JSON.parse(text));
  process.env.AWS_ENDPOINT_URL = connection.endpointUrl;
  process.env.AWS_REGION = connection.region;
  process.env.AWS_ACCESS_KEY_ID = connection.accessKeyId;
  process.env.AWS_SECRET_ACCESS_KEY = connection.secretAccessKey;
  return connection.aliyun;
}
