// Aliyun's inventory as the stage's functions see it: the same secret, the endpoint of the stage's settings file.
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import * as z from "zod";
import { inventories } from "../lambdas/replication/inventories/index.ts";
import type { BackupInventory } from "../lambdas/replication/inventories/inventory.ts";
import { UsageProblem } from "./usage-problem.ts";

const aliyunSchema = z.object({
  endpoint: z.string(),
  region: z.string(),
  protocol: z.enum(["http", "https"]).default("https"),
});

/** Only the part of a stage's file that says where Aliyun is; lib/config.ts checks the whole at synth. */
const stageSchema = z.object({ aliyun: aliyunSchema });

export function connectInventory(stage: string, aliyun?: z.infer<typeof aliyunSchema>): BackupInventory {
  const { endpoint, protocol, region } = aliyun ?? readStage(stage);
  return inventories["aliyun-rds"]({
    ALIYUN_SECRET_ID: `/${stage}/replication/aliyun`,
    ALIYUN_RDS_ENDPOINT: endpoint,
    ALIYUN_PROTOCOL: protocol,
    ALIYUN_REGION: region,
  });
}

function readStage(stage: string): z.infer<typeof aliyunSchema> {
  const file = resolve(import.meta.dirname, "../stages", `${stage}.json`);
  try {
    return stageSchema.parse(JSON.parse(readFileSync(file, "utf8"))).aliyun;
  } catch (error) {
    throw new UsageProblem(`The stage's settings in stages/${stage}.json cannot be read: give --stage.`, {
      cause: error,
    });
  }
}
