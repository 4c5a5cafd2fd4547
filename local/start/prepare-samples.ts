// What the runs will find: sample backups and the user's files on Aliyun's stand-in, sample databases on RDS.
import path from "node:path";
import type { LocalCloud } from "../cloud.ts";
import { registerRdsSamples } from "../samples/rds-databases.ts";
import { registerFile } from "../samples/register-file.ts";
import { registerSamples } from "../samples/register-samples.ts";
import type { StartOptions } from "./options.ts";

export async function prepareSamples(cloud: LocalCloud, options: StartOptions): Promise<void> {
  const directory = path.join(options.stateDirectory, "samples");
  await registerSamples(cloud.aliyun, { directory, sizeBytes: options.sizeBytes });
  for (const file of options.backups) await registerFile(cloud.aliyun, file);
  await registerRdsSamples(cloud, { directory });
}
