// Which keys there are and what they may do: security tokens, rotation, and RAM statements as one would paste them.
import { expect, test } from "vitest";
import type { RamStatement } from "../../../local/aliyun-oss/ram-policy.ts";
import { bucket, ossFixture, owner, rejectionOf } from "./oss-fixture.ts";

const hello = Buffer.from("hello");

test.each([true, false])(
  "a temporary pair works with its token and until its end (V4: %s)",
  async (authorizationV4) => {
    await using fixture = await ossFixture();
    const { accessKeyId, accessKeySecret, securityToken: stsToken } = fixture.oss.issueToken({ seconds: 600 });
    const other = fixture.oss.issueToken();
    const pair = { authorizationV4, accessKeyId, accessKeySecret };
    const refreshSTSToken = async () => ({ ...pair, stsToken });
    const withToken = (token: string) => fixture.client({ ...pair, stsToken: token, refreshSTSToken });

    const client = withToken(stsToken);
    await client.put("kept", hello);
    const link = authorizationV4
      ? await client.signatureUrlV4("GET", 1200, undefined, "kept")
      : fixture
          .client({ ...pair, stsToken, refreshSTSToken, endpoint: fixture.oss.url.replace("127.0.0.1", "localhost") })
          .signatureUrl("kept", { expires: 1200 });
    expect(await (await fetch(link)).text()).toBe("hello");

    expect(await rejectionOf(fixture.client(pair).get("kept"))).toMatchObject({
      code: "InvalidAccessKeyId",
      status: 403,
    });
    expect(await rejectionOf(withToken("made-up").get("kept"))).toMatchObject({
      code: "InvalidSecurityToken",
      status: 403,
    });
    expect(await rejectionOf(withToken(other.securityToken).get("kept"))).toMatchObject({
      code: "AccessKeyIdAndSecurityTokenNotMatch",
      status: 403,
    });
    const lasting = fixture.client({ authorizationV4, ...owner, stsToken, refreshSTSToken });
    expect(await rejectionOf(lasting.get("kept"))).toMatchObject({ code: "InvalidAccessKeyId", status: 403 });

    fixture.clock.advance(601_000);
    const late = fixture.client({ ...pair, stsToken, refreshSTSToken, amendTimeSkewed: 601_000 });
    expect(await rejectionOf(late.get("kept"))).toMatchObject({ code: "SecurityTokenExpired", status: 403 });
    expect((await fetch(link)).status).toBe(403);
  },
);

test("a token's life has limits", async () => {
  await using fixture = await ossFixture();
  expect(() => fixture.oss.issueToken({ seconds: 43_201 })).toThrow(RangeError);
  expect(() => fixture.oss.issueToken({ seconds: 0 })).toThrow(RangeError);
});

test("a key that may put, head and list one prefix cannot delete, nor touch anything else", async () => {
  await using fixture = await ossFixture();
  const key = fixture.oss.issueKey([
    {
      Effect: "Allow",
      Action: ["oss:PutObject", "oss:GetObject", "oss:ListParts", "oss:AbortMultipartUpload"],
      Resource: `acs:oss:*:*:${bucket}/iotdb-backup/*`,
    },
    {
      Effect: "Allow",
      Action: "oss:ListObjects",
      Resource: `acs:oss:*:*:${bucket}`,
      Condition: { StringLike: { "oss:Prefix": "iotdb-backup/*" } },
    },
  ]);
  const limited = fixture.client({ ...key });
  await limited.put("iotdb-backup/a", hello);
  await limited.head("iotdb-backup/a");
  const { uploadId } = await limited.initMultipartUpload("iotdb-backup/b");
  await limited.listParts("iotdb-backup/b", uploadId);
  await limited.abortMultipartUpload("iotdb-backup/b", uploadId);
  expect((await limited.listV2({ prefix: "iotdb-backup/", "max-keys": 10 }, {})).objects).toHaveLength(1);

  const denied = { code: "AccessDenied", status: 403 };
  expect(await rejectionOf(limited.delete("iotdb-backup/a"))).toMatchObject(denied);
  expect(await rejectionOf(limited.deleteMulti(["iotdb-backup/a"]))).toMatchObject(denied);
  expect(await rejectionOf(limited.put("elsewhere", hello))).toMatchObject(denied);
  expect(await rejectionOf(limited.copy("elsewhere", "iotdb-backup/a"))).toMatchObject(denied);
  expect(await rejectionOf(limited.head("elsewhere"))).toMatchObject(denied);
  expect(await rejectionOf(limited.listV2({ "max-keys": 10 }, {}))).toMatchObject(denied);
  expect(await rejectionOf(limited.listUploads({ "max-uploads": 10 }))).toMatchObject(denied);
  expect(await rejectionOf(limited.putBucket("another-bucket"))).toMatchObject(denied);
  await fixture.client().delete("iotdb-backup/a");
});

test("a denial outweighs what is allowed, and holds for the owner's pair too", async () => {
  await using fixture = await ossFixture();
  fixture.oss.limitKey(owner.accessKeyId, [
    { Effect: "Allow", Action: "oss:*", Resource: "*" },
    { Effect: "Deny", Action: ["oss:Delete*"], Resource: `acs:oss:*:*:${bucket}/*` },
  ]);
  const client = fixture.client();
  await client.put("a", hello);
  expect(await rejectionOf(client.delete("a"))).toMatchObject({ code: "AccessDenied" });
  await fixture.restart();
  expect(await rejectionOf(fixture.client().delete("a"))).toMatchObject({ code: "AccessDenied" });
});

test("limits that are not understood are refused, not half kept", async () => {
  await using fixture = await ossFixture();
  const everything = { Effect: "Allow", Action: "oss:*", Resource: "*" } as const;
  const byAddress = { ...everything, Condition: { IpAddress: { "acs:SourceIp": "10.0.0.0/8" } } };
  expect(() => fixture.oss.limitKey(owner.accessKeyId, [byAddress as RamStatement])).toThrow(/IpAddress/);
  expect(() => fixture.oss.limitKey("LTAInobody", [everything])).toThrow("OSS knows no access key LTAInobody.");
  await fixture.client().put("a", hello);
});

test("after a rotation only the new pair is known", async () => {
  await using fixture = await ossFixture();
  const before = fixture.client();
  await before.put("a", hello);
  const next = { accessKeyId: "LTAInext", accessKeySecret: "next-secret" };
  fixture.oss.setCredentials(next);
  expect(fixture.oss.credentials).toEqual(next);
  expect(await rejectionOf(before.get("a"))).toMatchObject({ code: "InvalidAccessKeyId" });
  expect(String((await fixture.client({ ...next }).get("a")).content)).toBe("hello");
});
