// How the command reaches the local cloud: by the file that a running `npm start` keeps in its state folder.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as z from "zod";
import { stateFolder } from "./project-folder.ts";
import { quoted } from "./shell-word.ts";
import { UsageProblem } from "./usage-problem.ts";

const connectionSchema = z.object({
  endpointUrl: z.string(),
  region: z.string(),
  accessKeyId: z.string(),
  secretAccessKey: z.string(),
  aliyun: z.object({
    endpoint: z.string(),
    protocol: z.enum(["http", "https"]),
    region: z.string(),
    ossEndpoint: z.string().optional(),
  }),
  /** The HTTP API, and a machine's credentials for it: whoever may read this file is the operator of the local cloud. */
  api: z.object({ url: z.string(), tokenUrl: z.string(), clientId: z.string(), clientSecret: z.string() }).optional(),
});

export type LocalConnection = z.infer<typeof connectionSchema>;

const fileIn = (stateDirectory: string) => join(stateDirectory, "connection.json");

/** With the operator's local keys in it, the file is readable by its owner alone. Returns the way to take it away. */
export function writeConnection(stateDirectory: string, connection: LocalConnection): () => void {
  const file = fileIn(stateDirectory);
  mkdirSync(stateDirectory, { recursive: true });
  writeFileSync(file, JSON.stringify(connection, null, 2), { mode: 0o600 });
  return () => rmSync(file, { force: true });
}

/** Undefined where there is none. */
export function readConnection(stateDirectory: string): LocalConnection | undefined {
  try {
    return connectionSchema.parse(JSON.parse(readFileSync(fileIn(stateDirectory), "utf8")));
  } catch {
    return undefined;
  }
}

/** Sets the standard AWS variables for this process; returns Aliyun's stand-in. */
export function connectToLocalCloud(stateDirectory: string): LocalConnection["aliyun"] {
  const connection = readConnection(stateDirectory);
  if (connection === undefined) {
    const own = stateDirectory === stateFolder ? "" : ` -- --state ${quoted(stateDirectory)}`;
    throw new UsageProblem(`No local cloud is running on ${stateDirectory}. Start it with: npm start${own}`);
  }
  // A profile or a service's own endpoint of the user's would win over these.
  for (const name of Object.keys(process.env)) {
    if (/^AWS_(PROFILE|SESSION_TOKEN|IGNORE_CONFIGURED_ENDPOINT_URLS|ENDPOINT_URL_.*)$/.test(name))
      delete process.env[name];
  }
  process.env.AWS_ENDPOINT_URL = connection.endpointUrl;
  process.env.AWS_REGION = connection.region;
  process.env.AWS_ACCESS_KEY_ID = connection.accessKeyId;
  process.env.AWS_SECRET_ACCESS_KEY = connection.secretAccessKey;
  return connection.aliyun;
}
