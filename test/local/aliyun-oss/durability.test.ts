// What survives: a restart, and kill -9 in the middle of writing.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import OSS from "ali-oss";
import { expect, test } from "vitest";
import { startOss } from "../../../local/aliyun-oss/aliyun-oss.ts";
import { Clock } from "../../../local/rig/clock.ts";
import { Faults } from "../../../local/rig/faults.ts";
import { bucket, headersOf, type OssClient, ossFixture, owner, rejectionOf, someBytes } from "./oss-fixture.ts";

test("objects, uploads, keys, tokens and limits are the same after a restart", async () => {
  await using fixture = await ossFixture({ smallestPartBytes: 1 });
  const before = fixture.client();
  await before.put("kept", Buffer.from("hello"), { headers: { "x-oss-meta-a": "1" } });
  const { uploadId } = await before.initMultipartUpload("begun");
  const part = (body: string) => ({ stream: Readable.from([Buffer.from(body)]), size: body.length });
  const first = await before._uploadPart("begun", uploadId, 1, part("one"));
  const token = fixture.oss.issueToken();
  const limited = fixture.oss.issueKey([{ Effect: "Allow", Action: "oss:GetObject", Resource: "*" }]);

  await fixture.restart();
  const after = fixture.client();
  const kept = await after.get("kept");
  expect([String(kept.content), headersOf(kept)["x-oss-meta-a"]]).toEqual(["hello", "1"]);
  const second = await after._uploadPart("begun", uploadId, 2, part("two"));
  const parts = [first, second].map(({ etag }, index) => ({ number: index + 1, etag }));
  await after.completeMultipartUpload("begun", uploadId, parts);
  const { accessKeyId, accessKeySecret, securityToken: stsToken } = token;
  const refreshSTSToken = async () => ({ accessKeyId, accessKeySecret, stsToken });
  const temporary = fixture.client({ accessKeyId, accessKeySecret, stsToken, refreshSTSToken });
  expect(String((await temporary.get("begun")).content)).toBe("onetwo");
  const reader = fixture.client({ ...limited });
  await reader.get("kept");
  expect(await rejectionOf(reader.put("kept", Buffer.from("x")))).toMatchObject({ code: "AccessDenied" });
});

test("two clouds do not share one state", async () => {
  await using fixture = await ossFixture();
  const { clock, faults, stateDirectory } = fixture;
  await expect(startOss({ clock, faults, stateDirectory, credentials: owner })).rejects.toThrow(
    /Another local cloud is using/,
  );
});

test("after kill -9, what was acknowledged is there, and nothing else takes up room", async () => {
  const stateDirectory = mkdtempSync(path.join(tmpdir(), "causeway-oss-kill-"));
  let child: ChildProcess | undefined;
  try {
    child = spawn(process.execPath, [fileURLToPath(new URL("./serve-oss.ts", import.meta.url)), stateDirectory], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    const [line] = (await once(child.stdout ?? child, "data")) as [Buffer];
    const options = {
      endpoint: String(line).trim(),
      region: "oss-cn-hangzhou",
      bucket,
      ...owner,
      authorizationV4: true,
    };
    const client = new OSS({ ...options, ...({ sldEnable: true } as object) }) as OssClient;
    const acknowledged: number[] = [];
    const writers = [0, 1, 2, 3].map(async (writer) => {
      for (let index = writer; index < 10_000; index += 4) {
        await client.put(`object-${index}`, someBytes(20_000, index + 1));
        acknowledged.push(index);
      }
    });
    await expect.poll(() => acknowledged.length, { interval: 5 }).toBeGreaterThan(40);
    const gone = once(child, "exit");
    child.kill("SIGKILL");
    await Promise.all([gone, Promise.allSettled(writers)]);

    const clock = new Clock();
    const oss = await startOss({ clock, faults: new Faults(), stateDirectory, credentials: owner });
    const reader = new OSS({ ...options, endpoint: oss.url, ...({ sldEnable: true } as object) });
    for (const index of acknowledged) {
      const { content } = await reader.get(`object-${index}`);
      expect(someBytes(20_000, index + 1).equals(content), `object-${index}`).toBe(true);
    }
    const listed = await reader.listV2({ "max-keys": 1_000 }, {});
    expect(readdirSync(path.join(stateDirectory, "bodies"))).toHaveLength(listed.objects.length);
    await oss.close();
    clock.close();
  } finally {
    child?.kill("SIGKILL");
    rmSync(stateDirectory, { recursive: true, force: true });
  }
});
