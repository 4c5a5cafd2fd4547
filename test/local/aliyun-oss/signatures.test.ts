// Who is let in: both versions of signatures, in headers and in URLs, in every style of address.
import { Agent, type ClientRequestArgs } from "node:http";
import { expect, test } from "vitest";
import { signatureV1, stringToSignV1 } from "../../../local/aliyun-oss/signature-v1.ts";
import { bucket, type ClientOptions, type OssFixture, ossFixture, rejectionOf } from "./oss-fixture.ts";

const minute = 60_000;
const awkwardName = "a b/ü+%?&#'(!)*.txt";

/** Sends `bucket.localhost`, which not every machine resolves, to the server all the same. */
const toLoopback = new Agent();
const connect = toLoopback.createConnection.bind(toLoopback);
toLoopback.createConnection = (options: ClientRequestArgs, callback) =>
  connect({ ...options, host: "127.0.0.1" }, callback);

function styles(fixture: OssFixture): Record<string, ClientOptions> {
  const byName = fixture.oss.url.replace("127.0.0.1", "localhost");
  return {
    "path style": { sldEnable: true },
    "path style by name": { sldEnable: true, endpoint: byName },
    "a domain of one's own": { sldEnable: false, cname: true, endpoint: byName },
    "the bucket in the host": { sldEnable: false, endpoint: byName, agent: toLoopback },
    "the bucket in the Host header alone": { sldEnable: false },
  };
}

test.each([true, false])(
  "every style of address is understood under signatures of either version (V4: %s)",
  async (authorizationV4) => {
    await using fixture = await ossFixture();
    fixture.oss.ensureBucket("another-bucket");
    for (const [style, options] of Object.entries(styles(fixture))) {
      const client = fixture.client({ authorizationV4, ...options });
      await client.put(awkwardName, Buffer.from(style), { meta: { uid: 1, pid: 2 } });
      const { content } = await client.get(awkwardName);
      expect(String(content)).toBe(style);
      const { objects } = await client.listV2({ prefix: "a b/", "max-keys": 2 }, {});
      expect(
        objects.map(({ name }) => name),
        style,
      ).toEqual([awkwardName]);
    }
    expect(fixture.defects).toEqual([]);
  },
);

test("OSS's documented example of a version 1 signature comes out", () => {
  const request = {
    method: "PUT",
    headers: {
      "content-md5": "ODBGOERFMDMzQTczRUY3NUE3NzA5QzdFNUYzMDQxNEM=",
      "content-type": "text/html",
      "x-oss-magic": "abracadabra",
      "x-oss-meta-author": "foo@bar.com",
      host: "oss-example.oss-cn-hangzhou.aliyuncs.com",
    },
    query: new URLSearchParams(),
  };
  const text = stringToSignV1(request, { bucket: "oss-example", key: "nelson" }, "Thu, 17 Nov 2005 18:49:58 GMT");
  expect(signatureV1(text, "OtxrzxIsfpFjA7SwPzILwy8Bw21TLhquhboDYROV").toString("base64")).toBe(
    "26NBxoKdsyly4EDv6inkoDft/yA=",
  );
});

test.each([true, false])(
  "metadata beyond ASCII is signed as the bytes it travels as (V4: %s)",
  async (authorizationV4) => {
    await using fixture = await ossFixture();
    const client = fixture.client({ authorizationV4, headerEncoding: "latin1" });
    await client.put("named", Buffer.from("x"), { headers: { "x-oss-meta-title": "备份" } });
    const { res } = await client.head("named");
    const { headers } = res as unknown as { headers: Record<string, string> };
    expect(Buffer.from(headers["x-oss-meta-title"] ?? "", "latin1").toString()).toBe("备份");
  },
);

test.each([true, false])("a wrong secret and an unknown key are told apart (V4: %s)", async (authorizationV4) => {
  await using fixture = await ossFixture();
  const wrong = fixture.client({ authorizationV4, accessKeySecret: "guessed" });
  expect(await rejectionOf(wrong.get("any"))).toMatchObject({ code: "SignatureDoesNotMatch", status: 403 });
  expect(await rejectionOf(wrong.head("any"))).toMatchObject({ code: "SignatureDoesNotMatch", status: 403 });
  const unknown = fixture.client({ authorizationV4, accessKeyId: "LTAInobody" });
  expect(await rejectionOf(unknown.get("any"))).toMatchObject({ code: "InvalidAccessKeyId", status: 403 });
});

test.each([true, false])(
  "a clock more than fifteen minutes off is refused, less is not (V4: %s)",
  async (authorizationV4) => {
    await using fixture = await ossFixture();
    for (const amendTimeSkewed of [16 * minute, -16 * minute]) {
      const client = fixture.client({ authorizationV4, amendTimeSkewed });
      expect(await rejectionOf(client.put("late", Buffer.from("x")))).toMatchObject({
        code: "RequestTimeTooSkewed",
        status: 403,
        message: "The difference between the request time and the current time is too large.",
      });
    }
    await fixture.client({ authorizationV4, amendTimeSkewed: -14 * minute }).put("near", Buffer.from("x"));
  },
);

test("the cloud's clock decides, not the machine's, and answers carry it", async () => {
  const hour = 60 * minute;
  await using fixture = await ossFixture({}, { startAtMilliseconds: Date.now() + 5 * hour });
  const refused = await rejectionOf(fixture.client().put("now", Buffer.from("x")));
  expect(refused.code).toBe("RequestTimeTooSkewed");
  const { res } = await fixture.client({ amendTimeSkewed: 5 * hour }).put("then", Buffer.from("x"));
  const { date } = (res as unknown as { headers: Record<string, string> }).headers;
  expect(Math.abs(Date.parse(date ?? "") - fixture.clock.now())).toBeLessThan(minute);
});

test("a V4 signature is good for its region only, where the service has one", async () => {
  await using fixture = await ossFixture({ region: "cn-hangzhou" });
  await fixture.client({ region: "oss-cn-hangzhou" }).put("here", Buffer.from("x"));
  const elsewhere = fixture.client({ region: "oss-cn-shanghai" });
  expect(await rejectionOf(elsewhere.get("here"))).toMatchObject({
    code: "InvalidArgument",
    status: 400,
    message: "Invalid signing region in Authorization header.",
  });
});

/** Links of both versions; V1's need a host with a name. */
async function linksTo(fixture: OssFixture, name: string, seconds: number, options: ClientOptions = {}) {
  const client = fixture.client({ endpoint: fixture.oss.url.replace("127.0.0.1", "localhost"), ...options });
  return {
    v1: client.signatureUrl(name, { expires: seconds, method: "GET" }),
    v4: await client.signatureUrlV4("GET", seconds, undefined, name),
  };
}

async function codeOf(response: Response): Promise<string> {
  return `${response.status} ${/<Code>(\w+)<\/Code>/.exec(await response.text())?.[1]}`;
}

test.each(["v1", "v4"] as const)(
  "a signed link (%s) reads one object by one verb until it expires",
  async (version) => {
    await using fixture = await ossFixture();
    const client = fixture.client();
    await client.put(awkwardName, Buffer.from("secret"));
    await client.put("other", Buffer.from("other"));
    const link = (await linksTo(fixture, awkwardName, 600))[version];
    expect(await (await fetch(link)).text()).toBe("secret");
    const ranged = await fetch(link, { headers: { range: "bytes=1-2" } });
    expect([ranged.status, await ranged.text()]).toEqual([206, "ec"]);
    expect((await fetch(link, { method: "HEAD" })).status).toBe(403);
    expect(await codeOf(await fetch(link, { method: "PUT", body: "mine" }))).toBe("403 SignatureDoesNotMatch");
    const elsewhere = link.replace(/\/acme-iotdb\/[^?]*/, `/${bucket}/other`);
    expect(await codeOf(await fetch(elsewhere))).toBe("403 SignatureDoesNotMatch");
    const longer = link.replace(/expires=\d+/i, (found) => `${found}9`);
    expect(await codeOf(await fetch(longer))).toMatch(/403 SignatureDoesNotMatch|400 InvalidArgument/);
    fixture.clock.advance(11 * minute);
    expect(await codeOf(await fetch(link))).toBe("403 AccessDenied");
  },
);

test("a V4 link can bind headers and parameters, and allow an upload", async () => {
  await using fixture = await ossFixture();
  const client = fixture.client();
  const headers = { "content-type": "text/plain", "x-oss-meta-from": "link" };
  const link = await client.signatureUrlV4("PUT", 60, { headers }, "uploaded", ["content-length"]).catch(String);
  expect(link).toContain("Can't find additional header");
  const put = await client.signatureUrlV4("PUT", 60, { headers }, "uploaded");
  expect((await fetch(put, { method: "PUT", headers, body: "abc" })).status).toBe(200);
  expect(
    await codeOf(await fetch(put, { method: "PUT", headers: { ...headers, "x-oss-meta-from": "me" }, body: "abc" })),
  ).toBe("403 SignatureDoesNotMatch");
  const queries = { "response-content-disposition": 'attachment; filename="a b"' };
  const read = await fetch(await client.signatureUrlV4("GET", 60, { queries }, "uploaded"));
  expect(read.headers.get("content-disposition")).toBe(queries["response-content-disposition"]);
  expect(await codeOf(await fetch(await client.signatureUrlV4("GET", 604_801, undefined, "uploaded")))).toBe(
    "400 InvalidArgument",
  );
});

test("a parameter without a value is signed by its name alone, which ali-oss does not do in V4", async () => {
  await using fixture = await ossFixture();
  const list = (authorizationV4: boolean) =>
    fixture.client({ authorizationV4 }).listV2({ prefix: "", "max-keys": 1 }, {});
  expect(await rejectionOf(list(true))).toMatchObject({ code: "SignatureDoesNotMatch" });
  expect((await list(false)).objects).toEqual([]);
});

test("what is unsigned, or signed in another cloud's way, gets OSS's own error", async () => {
  await using fixture = await ossFixture();
  const url = `${fixture.oss.url}/${bucket}/any`;
  expect(await codeOf(await fetch(url))).toBe("403 AccessDenied");
  expect(await codeOf(await fetch(url, { headers: { authorization: "OSS nonsense" } }))).toBe("400 InvalidArgument");
  expect(await codeOf(await fetch(url, { headers: { authorization: "Bearer x" } }))).toBe("400 InvalidArgument");
  expect(await codeOf(await fetch(`${url}?Signature=x&OSSAccessKeyId=y`))).toBe("403 AccessDenied");
  expect(await codeOf(await fetch(`${fixture.oss.url}/${bucket}/%E4%zz`))).toBe("400 InvalidURI");
});
