// The mirror on the local cloud: what is put into S3 is in OSS soon after, small and large, whatever its key.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MirrorRig, someBytes } from "./mirror-rig.ts";

let rig: MirrorRig;

beforeAll(async () => {
  rig = await MirrorRig.start();
});

afterAll(async () => {
  await rig?.close();
});

describe("an object below a mirrored prefix", () => {
  it("is in OSS, with its checksum and encryption, and the item says so", async () => {
    const bytes = someBytes(60_000);
    const version = await rig.put("mysql/rm-1/small.xb", bytes);
    await rig.mirrored("mysql/rm-1/small.xb", version);
    await rig.expectInOss("mysql/rm-1/small.xb", bytes);
    expect(await rig.runs()).toEqual([]);
  });

  it("may have no bytes", async () => {
    const version = await rig.put("mysql/rm-1/empty", "");
    await rig.mirrored("mysql/rm-1/empty", version);
    await rig.expectInOss("mysql/rm-1/empty", Buffer.alloc(0));
  });

  it.each(["备份 一.sql.gz", "a+b %41%.xb", `quotes "'\\.xb`, "dots/../and/./more", "tail/", "#?&=;:@!$*(),~"])(
    "may be called %s",
    async (name) => {
      const key = `mysql/odd/${name}`;
      const version = await rig.put(key, name);
      await rig.mirrored(key, version);
      await rig.expectInOss(key, Buffer.from(name));
    },
  );

  it("is mirrored in parts where it is large, with a job that shows it", async () => {
    const bytes = someBytes(400_000, 7);
    const version = await rig.put("mysql/rm-1/large 备份.xb", bytes);
    await rig.mirrored("mysql/rm-1/large 备份.xb", version);
    await rig.expectInOss("mysql/rm-1/large 备份.xb", bytes);
    const [run] = await rig.runs();
    const { status, job } = await rig.runEnded(run?.executionArn ?? "");
    expect(status).toBe("SUCCEEDED");
    expect(job).toMatchObject({ kind: "mirror-object", state: "succeeded", percent: 100, bytesTotal: 400_000 });
    expect(job.units).toMatchObject([{ outcome: "mirrored", partsTotal: 4 }]);
  });
});

it("outside of the prefixes stays where it is, receipts above all", async () => {
  await rig.put("receipts/mysql/rm-1/x/copy.json", "{}");
  await rig.put("mysql-other/x", "no");
  const version = await rig.put("mysql/marker", "last");
  await rig.mirrored("mysql/marker", version);
  expect(await rig.item("receipts/mysql/rm-1/x/copy.json")).toBeUndefined();
  expect(await rig.item("mysql-other/x")).toBeUndefined();
});
