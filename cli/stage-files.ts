// The stages' settings files, as far as the command needs them; lib/config.ts checks the whole of them at synth.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as z from "zod";
import { projectFolder } from "./project-folder.ts";
import { UsageProblem } from "./usage-problem.ts";

const stagesFolder = join(projectFolder, "stages");

const aliyunSchema = z.object({
  endpoint: z.string(),
  region: z.string(),
  protocol: z.enum(["http", "https"]).default("https"),
});

export type AliyunSettings = z.infer<typeof aliyunSchema>;

const stageSchema = z.object({ aliyun: aliyunSchema });

export function knownStages(): string[] {
  return readdirSync(stagesFolder)
    .filter((name) => name.endsWith(".json"))
    .map((name) => name.slice(0, -".json".length))
    .sort();
}

/** Where Aliyun is for a known stage; throws a UsageProblem naming the file when it does not say so. */
export function readAliyunSettings(stage: string): AliyunSettings {
  const file = join(stagesFolder, `${stage}.json`);
  try {
    return stageSchema.parse(JSON.parse(readFileSync(file, "utf8"))).aliyun;
  } catch (error) {
    throw new UsageProblem(
      `stages/${stage}.json does not say where Aliyun is: npm run synth -- --stage ${stage} tells what is wrong.`,
      {
        cause: error,
      },
    );
  }
}
