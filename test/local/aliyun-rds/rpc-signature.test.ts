// Who may call: keys, STS tokens, age of a request, nonces; and that every signed part of a request is really checked.
import { createHash, createHmac } from "node:crypto";
import * as rds from "@alicloud/rds20140815";
import { expect, test } from "vitest";
import { accessKey, aliyunFixture, rejectionOf } from "./aliyun-fixture.ts";

const request = new rds.DescribeBackupsRequest({ DBInstanceId: "rm-bp1" });
const emptyHash = createHash("sha256").update("").digest("hex");

/** A hand-made request, signed by the rules of ACS3-HMAC-SHA256; `spoil` changes it after signing. */
async function send(
  endpoint: string,
  headers: Record<string, string>,
  spoil: { query?: string; headers?: Record<string, string>; unsigned?: string[] } = {},
) {
  const query = "DBInstanceId=rm-bp1";
  const all: Record<string, string> = {
    host: endpoint,
    "x-acs-action": "DescribeBackups",
    "x-acs-version": "2014-08-15",
    "x-acs-content-sha256": emptyHash,
    ...headers,
  };
  const names = Object.keys(all)
    .filter((name) => !(spoil.unsigned ?? []).includes(name))
    .sort();
  const canonical = [
    "POST",
    "/",
    query,
    ...names.map((name) => `${name}:${all[name]}`),
    "",
    names.join(";"),
    emptyHash,
  ];
  const text = `ACS3-HMAC-SHA256\n${createHash("sha256").update(canonical.join("\n")).digest("hex")}`;
  const signature = createHmac("sha256", accessKey.accessKeySecret).update(text).digest("hex");
  const { host: _host, ...sent } = all;
  const response = await fetch(`http://${endpoint}/?${spoil.query ?? query}`, {
    method: "POST",
    headers: {
      ...sent,
      ...spoil.headers,
      authorization: `ACS3-HMAC-SHA256 Credential=${accessKey.accessKeyId},SignedHeaders=${names.join(";")},Signature=${signature}`,
    },
  });
  return {
    status: response.status,
    ...((await response.json()) as { Code?: string; HostId?: string; Recommend?: string }),
  };
}

function dated(milliseconds: number, nonce: string): Record<string, string> {
  return { "x-acs-date": `${new Date(milliseconds).toISOString().slice(0, 19)}Z`, "x-acs-signature-nonce": nonce };
}

test("an unknown key and a wrong secret are told apart", async () => {
  await using fixture = await aliyunFixture();
  fixture.aliyun.addInstance({ instanceId: "rm-bp1", engine: "MySQL", engineVersion: "8.0" });
  await fixture.client().describeBackups(request);
  expect(await rejectionOf(fixture.client({ accessKeyId: "LTAIother" }).describeBackups(request))).toMatchObject({
    name: "ClientError",
    code: "InvalidAccessKeyId.NotFound",
    status: 404,
  });
  expect(await rejectionOf(fixture.client({ accessKeySecret: "wrong" }).describeBackups(request))).toMatchObject({
    code: "SignatureDoesNotMatch",
    status: 400,
  });
});

test("temporary keys work with their token only", async () => {
  const temporary = { accessKeyId: "STS.abc", accessKeySecret: "sts-secret", securityToken: "the token" };
  await using fixture = await aliyunFixture({ credentials: [temporary] });
  fixture.aliyun.addInstance({ instanceId: "rm-bp1", engine: "MySQL", engineVersion: "8.0" });
  await fixture.client(temporary).describeBackups(request);
  const { securityToken: _token, ...withoutToken } = temporary;
  expect(await rejectionOf(fixture.client(withoutToken).describeBackups(request))).toMatchObject({
    code: "InvalidAccessKeyId.NotFound",
  });
  expect(
    await rejectionOf(fixture.client({ ...temporary, securityToken: "another" }).describeBackups(request)),
  ).toMatchObject({ code: "InvalidSecurityToken.Malformed" });
});

test("a clock that is 16 minutes off is refused on either side, 14 minutes are not", async () => {
  await using fixture = await aliyunFixture();
  fixture.aliyun.addInstance({ instanceId: "rm-bp1", engine: "MySQL", engineVersion: "8.0" });
  const now = fixture.clock.now();
  const at = (minutes: number) => send(fixture.aliyun.rpcEndpoint, dated(now + minutes * 60_000, `nonce ${minutes}`));
  // The official client casts counts to strings whatever comes; on the wire they must be strings already.
  expect(await at(14)).toMatchObject({ status: 200, PageNumber: "1", PageRecordCount: "0", TotalRecordCount: "0" });
  expect(await at(-14)).toMatchObject({ status: 200 });
  expect(await at(16)).toMatchObject({ status: 400, Code: "InvalidTimeStamp.Expired" });
  expect(await at(-16)).toMatchObject({ status: 400, Code: "InvalidTimeStamp.Expired" });
});

test("a request that is sent again unchanged is a used nonce", async () => {
  await using fixture = await aliyunFixture();
  fixture.aliyun.addInstance({ instanceId: "rm-bp1", engine: "MySQL", engineVersion: "8.0" });
  const headers = dated(fixture.clock.now(), "once");
  expect(await send(fixture.aliyun.rpcEndpoint, headers)).toMatchObject({ status: 200 });
  const again = await send(fixture.aliyun.rpcEndpoint, headers);
  expect(again).toMatchObject({ status: 400, Code: "SignatureNonceUsed", HostId: fixture.aliyun.rpcEndpoint });
  expect(again.Recommend).toContain("SignatureNonceUsed");
});

test("a change after signing, or a header left out of the signature, is refused", async () => {
  await using fixture = await aliyunFixture();
  fixture.aliyun.addInstance({ instanceId: "rm-bp1", engine: "MySQL", engineVersion: "8.0" });
  const headers = () => dated(fixture.clock.now(), Math.random().toString());
  const { rpcEndpoint } = fixture.aliyun;
  expect(await send(rpcEndpoint, headers(), { query: "DBInstanceId=rm-bp2" })).toMatchObject({
    Code: "SignatureDoesNotMatch",
  });
  expect(await send(rpcEndpoint, headers(), { headers: { "x-acs-action": "DescribeDBInstances" } })).toMatchObject({
    Code: "SignatureDoesNotMatch",
  });
  expect(await send(rpcEndpoint, headers(), { unsigned: ["x-acs-date"] })).toMatchObject({
    Code: "IncompleteSignature",
  });
  const unsigned = await fetch(`http://${rpcEndpoint}/?DBInstanceId=rm-bp1`, { method: "POST" });
  expect(await unsigned.json()).toMatchObject({ Code: "MissingAccessKeyId" });
});
