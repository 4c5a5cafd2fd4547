// OSS as a part of the local cloud: told to the stacks that ask for it, with one key pair for ever, on the cloud's clock.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import OSS from "ali-oss";
import { expect, test } from "vitest";
import { ensureBuckets } from "../../../local/aliyun-oss/boot-oss.ts";
import type { Resource } from "../../../local/assembly/resolve-assembly.ts";
import { bootCloud, type LocalCloud } from "../../../local/cloud.ts";
import { Clock } from "../../../local/rig/clock.ts";
import { bucket, headersOf, ossFixture } from "./oss-fixture.ts";

const hour = 3_600_000;

/** One stack that asks for OSS, and says what it was told. */
function writeAssembly(directory: string): void {
  const stack = "aws:cloudformation:stack";
  const properties = { templateFile: "house.template.json" };
  const house = { type: stack, environment: "aws://111122223333/eu-central-1", properties };
  const text = { Type: "String", Default: "unset" };
  const template = {
    Parameters: { AliyunOssEndpoint: text, AliyunOssPathStyle: text },
    Resources: {},
    Outputs: {
      Endpoint: { Value: { Ref: "AliyunOssEndpoint" } },
      PathStyle: { Value: { Ref: "AliyunOssPathStyle" } },
    },
  };
  mkdirSync(directory);
  writeFileSync(path.join(directory, "manifest.json"), JSON.stringify({ version: "48.0.0", artifacts: { house } }));
  writeFileSync(path.join(directory, "house.template.json"), JSON.stringify(template));
}

function clientOf(cloud: LocalCloud): OSS {
  const skew = {
    amendTimeSkewed: Math.round(cloud.clock.now() - Date.now()),
    sldEnable: cloud.output("PathStyle") === "true",
  };
  const endpoint = `http://${cloud.output("Endpoint")}`;
  return new OSS({
    endpoint,
    bucket: "acme-iotdb",
    authorizationV4: true,
    ...cloud.oss.credentials,
    ...(skew as object),
  });
}

test("a stack that asks for OSS reaches it by what it was told, before and after a restart", async () => {
  const folder = mkdtempSync(path.join(tmpdir(), "causeway-oss-cloud-"));
  const [assemblyDirectory, stateDirectory] = [path.join(folder, "cdk.out"), path.join(folder, "state")];
  writeAssembly(assemblyDirectory);
  const clock = new Clock({ startAtMilliseconds: Date.now() + 3 * hour });
  const boot = () => bootCloud({ assemblyDirectory, stateDirectory, clock, ossBuckets: ["acme-iotdb"] });
  let cloud = await boot();
  try {
    await clientOf(cloud).put("kept", Buffer.from("hello"));
    const { credentials } = cloud.oss;
    expect(credentials.accessKeyId).not.toBe(cloud.aliyunCredentials.accessKeyId);
    await cloud.close();
    cloud = await boot();
    expect(cloud.oss.credentials).toEqual(credentials);
    const read = await clientOf(cloud).get("kept");
    expect(String(read.content)).toBe("hello");
    expect(Date.parse(headersOf(read)["last-modified"] ?? "") - Date.now()).toBeGreaterThan(2 * hour);
  } finally {
    await cloud.close();
    clock.close();
    rmSync(folder, { recursive: true });
  }
});

test("the buckets that functions are told about are there, as somebody has made them in Aliyun", async () => {
  await using fixture = await ossFixture();
  const of = (type: string, Variables?: Record<string, string>): Resource => ({
    ...{
      type,
      stackName: "house",
      logicalId: "Thing",
      constructPath: "house/Thing",
      physicalName: "t",
      arn: undefined,
    },
    properties: Variables ? { Environment: { Variables } } : {},
  });
  const lambda = "AWS::Lambda::Function";
  const resources = [
    of(lambda, { OSS_BUCKET: "of-a-function" }),
    of(lambda, { OTHER: "x" }),
    of(lambda),
    of("AWS::Other::Thing", { OSS_BUCKET: "of-another-thing" }),
  ];
  ensureBuckets(fixture.oss, { assemblyDirectory: "", stateDirectory: "", ossBuckets: ["of-the-options"] }, resources);
  expect(fixture.oss.buckets()).toEqual([bucket, "of-a-function", "of-the-options"]);
});
