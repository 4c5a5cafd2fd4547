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

/** `ossEndpoint`: of OSS's stand-in, `127.0.0.1:PORT`; in a deployment it is the mirror's. */
export type AliyunSettings = z.infer<typeof aliyunSchema> & { readonly ossEndpoint?: string | undefined };

const stageSchema = z.object({ aliyun: aliyunSchema });
const mirrorSchema = z.object({ replication: z.object({ mirror: z.object({ endpoint: z.string() }) }) });

const channelsSchema = z.object({
  alerts: z.object({ channels: z.array(z.object({ name: z.string(), type: z.string() })).default([]) }).optional(),
});

export function knownStages(): string[] {
  return readdirSync(stagesFolder)
    .filter((name) => name.endsWith(".json"))
    .map((name) => name.slice(0, -".json".length))
    .sort();
}

/** Where Aliyun is for a known stage; throws a UsageProblem naming the file when it does not say so. */
export function readAliyunSettings(stage: string): AliyunSettings {
  return readStage(stage, stageSchema, "where Aliyun is").aliyun;
}

/** OSS's host for a stage that mirrors; throws a UsageProblem naming the file for one that does not. */
export function readOssEndpoint(stage: string): string {
  return readStage(stage, mirrorSchema, "where Aliyun OSS is").replication.mirror.endpoint;
}

function readStage<Settings>(stage: string, schema: z.ZodType<Settings>, what: string): Settings {
  try {
    return schema.parse(JSON.parse(readFileSync(join(stagesFolder, `${stage}.json`), "utf8")));
  } catch (error) {
    throw new UsageProblem(
      `stages/${stage}.json does not say ${what}: npm run synth -- --stage ${stage} tells what is wrong.`,
      { cause: error },
    );
  }
}

/** The channels of alerts of a known stage: names and types. */
export function readChannels(stage: string): readonly { readonly name: string; readonly type: string }[] {
  try {
    return (
      channelsSchema.parse(JSON.parse(readFileSync(join(stagesFolder, `${stage}.json`), "utf8"))).alerts?.channels ?? []
    );
  } catch (error) {
    throw new UsageProblem(
      `stages/${stage}.json does not say which channels there are: npm run synth -- --stage ${stage} tells what is wrong.`,
      { cause: error },
    );
  }
}
