// Mirrored deletes on the local cloud, in an app whose stage asks for them: OSS loses what S3 has lost, and nothing else.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { CreateSecretCommand } from "@aws-sdk/client-secrets-manager";
import { afterAll, beforeAll, expect, it } from "vitest";
import { buildApp } from "../../bin/causeway.ts";
import { parseStageSettings } from "../../lib/config.ts";
import { MirrorRig, ossBucket } from "./mirror-rig.ts";

let rig: MirrorRig;
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), "causeway-deletes-"));
  const local = JSON.parse(readFileSync(path.resolve(import.meta.dirname, "../../stages/local.json"), "utf8"));
  local.replication.mirror.mirrorDeletes = true;
  buildApp(parseStageSettings("local", JSON.stringify(local)), folder).synth();
  rig = await MirrorRig.start({ assemblyDirectory: folder });
  const pair = rig.cloud.oss.issueKey([
    { Effect: "Allow", Action: "oss:DeleteObject", Resource: `acs:oss:*:*:${ossBucket}/iotdb-backup/*` },
  ]);
  const secret = { Name: "/local/replication/aliyun-oss-deletes", SecretString: JSON.stringify(pair) };
  await rig.secrets.send(new CreateSecretCommand(secret));
});

afterAll(async () => {
  await rig?.close();
  rmSync(folder, { recursive: true, force: true });
});

it("what is deleted in S3 is deleted in OSS, and comes back with the next version", async () => {
  const key = "mysql/rm-1/gone.xb";
  await rig.mirrored(key, await rig.put(key, "there"));
  await rig.delete(key);
  await rig.until("the deletion in OSS", async () =>
    (await rig.ossBytes(`iotdb-backup/${key}`)) === undefined ? true : undefined,
  );
  const item = await rig.until("the deletion in the item", async () => {
    const found = await rig.item(key);
    return found?.lease === undefined && found?.deletedAt !== undefined ? found : undefined;
  });
  expect(item).not.toHaveProperty("mirrored");
  const version = await rig.put(key, "again");
  await rig.mirrored(key, version);
  await rig.expectInOss(key, Buffer.from("again"));
});

it("what was deleted and created at once stays", async () => {
  const key = "mysql/rm-1/stays.xb";
  await rig.mirrored(key, await rig.put(key, "one"));
  await rig.delete(key);
  const version = await rig.put(key, "two");
  await rig.mirrored(key, version);
  await rig.cloud.eventSources.settled();
  await rig.mirrored(key, version);
  await rig.expectInOss(key, Buffer.from("two"));
});
