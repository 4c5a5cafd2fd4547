// The gateway: who calls is checked before anything is done, and the rig's general faults happen here.
import http from "node:http";
import { Readable } from "node:stream";
import { KMSClient, ListAliasesCommand } from "@aws-sdk/client-kms";
import { GetObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type Gateway, startGateway } from "../../../local/gateway/gateway.ts";
import { jsonService } from "../../../local/gateway/json-service.ts";
import {
  type LocalService,
  type Principal,
  ServiceError,
  type ServiceRequest,
} from "../../../local/gateway/service.ts";
import { Clock } from "../../../local/rig/clock.ts";
import { Faults } from "../../../local/rig/faults.ts";

const principal: Principal = {
  arn: "arn:aws:iam::1:role/r",
  accessKeyId: "ASIATEST",
  secretAccessKey: "secret",
  sessionToken: "token",
};
const clock = new Clock({ startAtMilliseconds: Date.parse("2030-01-01T00:00:00Z") });
const faults = new Faults();
const handled: string[] = [];
const defects: unknown[] = [];
let gateway: Gateway;

/** An object store of one object: enough to see what the gateway lets through. */
const stream: LocalService = {
  name: "s3",
  streamsBody: true,
  operationOf: ({ method }) => (method === "PUT" ? "PutObject" : "GetObject"),
  async handle(request) {
    handled.push(`${request.method} ${request.principal?.arn ?? "nobody"}`);
    if (request.method === "PUT") {
      for await (const chunk of request.stream) handled.push(String(chunk));
      return { status: 200, headers: { etag: '"etag"' } };
    }
    return answerOf(request);
  },
  renderError: (error) => ({
    status: error.status,
    headers: { "content-type": "application/xml" },
    body: `<Error><Code>${error.code}</Code><Message>${error.message}</Message></Error>`,
  }),
  throttlingError: () => new ServiceError(503, "SlowDown", "Please reduce your request rate."),
};

function answerOf(request: ServiceRequest) {
  if (request.rawPath.endsWith("/defect")) throw new TypeError("a defect");
  return { status: 200, headers: { "content-length": "10" }, body: Readable.from([Buffer.from("0123456789")]) };
}

const json = jsonService({
  name: "kms",
  version: "1.1",
  targetPrefix: "TrentService",
  operations: {
    ListAliases: () => {
      throw new ServiceError(403, "AccessDenied", "not authorized to perform: kms:ListAliases");
    },
  },
});

beforeAll(async () => {
  gateway = await startGateway({
    services: [stream, json],
    principalOf: (id) => (id === principal.accessKeyId ? principal : undefined),
    clock,
    faults,
    onDefect: (error) => defects.push(error),
  });
});
afterAll(async () => {
  await gateway.close();
  clock.close();
});
afterEach(() => {
  faults.clear();
  handled.length = 0;
});

function client(options: { credentials?: Principal; maxAttempts?: number; systemClockOffset?: number } = {}) {
  return new S3Client({
    region: "eu-central-1",
    endpoint: gateway.url,
    forcePathStyle: true,
    credentials: principal,
    maxAttempts: 1,
    systemClockOffset: clock.now() - Date.now(),
    ...options,
  });
}

const get = () => new GetObjectCommand({ Bucket: "b", Key: "k" });

async function read(from: S3Client = client()): Promise<string> {
  const { Body } = await from.send(get());
  return (await Body?.transformToString()) ?? "";
}

describe("a caller", () => {
  test("is known by the key that signed, in headers and in a presigned URL", async () => {
    expect(await read()).toBe("0123456789");
    const url = await getSignedUrl(client(), get(), { expiresIn: 60, signingDate: new Date(clock.now()) });
    expect(await (await fetch(url)).text()).toBe("0123456789");
    expect(handled).toEqual([`GET ${principal.arn}`, `GET ${principal.arn}`]);
  });

  test("with a wrong secret, a wrong token or an unknown key is refused before anything is done", async () => {
    const refused = async (change: Partial<Principal>, name: string) => {
      const call = client({ credentials: { ...principal, ...change } }).send(get());
      await expect(call).rejects.toMatchObject({ name });
    };
    await refused({ secretAccessKey: "guessed" }, "SignatureDoesNotMatch");
    await refused({ sessionToken: "old" }, "InvalidAccessKeyId");
    await refused({ accessKeyId: "ASIAOTHER" }, "InvalidAccessKeyId");
    expect(handled).toEqual([]);
  });

  test("whose presigned URL has expired or was changed is refused", async () => {
    const signingDate = new Date(clock.now() - 120_000);
    const expired = await getSignedUrl(client(), get(), { expiresIn: 60, signingDate });
    expect((await fetch(expired)).status).toBe(403);
    const valid = await getSignedUrl(client(), get(), { expiresIn: 60, signingDate: new Date(clock.now()) });
    expect((await fetch(valid.replace("/k?", "/other?"))).status).toBe(403);
    expect(handled).toEqual([]);
  });

  test("whose clock is wrong learns the cloud's time and tries again", async () => {
    expect(await read(client({ systemClockOffset: 0, maxAttempts: 3 }))).toBe("0123456789");
  });

  test("of a service that is not there is told which ones are", async () => {
    const response = await fetch(gateway.url);
    expect(response.status).toBe(501);
    expect(await response.text()).toContain("no service for an unsigned request; it has s3, kms");
  });

  test("without permission gets the JSON protocols' own name for it", async () => {
    const kms = new KMSClient({
      region: "eu-central-1",
      endpoint: gateway.url,
      credentials: principal,
      systemClockOffset: clock.now() - Date.now(),
    });
    await expect(kms.send(new ListAliasesCommand())).rejects.toMatchObject({
      name: "AccessDeniedException",
      $metadata: { httpStatusCode: 400 },
    });
  });
});

describe("the fault rig", () => {
  const fault = (effect: Parameters<Faults["add"]>[0]["effect"], operation = "GetObject") =>
    faults.add({ service: "s3", operation, effect });

  test("throttles and fails calls with nothing done", async () => {
    fault({ kind: "throttle" });
    await expect(read()).rejects.toMatchObject({ name: "SlowDown", $metadata: { httpStatusCode: 503 } });
    fault({ kind: "error", status: 500, code: "InternalError" });
    await expect(read()).rejects.toMatchObject({ name: "InternalError" });
    fault({ kind: "reset" });
    await expect(read()).rejects.toThrow();
    expect(handled).toEqual([]);
  });

  test("lets the work be done and hides that it was", async () => {
    const put = () => client().send(new PutObjectCommand({ Bucket: "b", Key: "k", Body: "body" }));
    for (const kind of ["fail-after-work", "reset-after-work"] as const) {
      handled.length = 0;
      fault({ kind }, "PutObject");
      await expect(put()).rejects.toThrow();
      expect(handled).toEqual([`PUT ${principal.arn}`, "body"]);
    }
  });

  test("damages bodies: cut short, or with one bit flipped", async () => {
    fault({ kind: "short-body", share: 0.5 });
    await expect(read()).rejects.toThrow();
    fault({ kind: "flip-bit", share: 0.5 });
    expect(await read()).toBe("0123446789");
  });

  test("delays in the cloud's time", async () => {
    fault({ kind: "delay", milliseconds: 3_600_000 });
    const answer = read();
    await expect.poll(() => faults.fired.at(-1)?.effect.kind).toBe("delay");
    expect(handled).toEqual([]);
    clock.advance(3_600_000);
    expect(await answer).toBe("0123456789");
  });
});

test("a defect of a service is reported, and is a 500 to the caller", async () => {
  const call = client().send(new GetObjectCommand({ Bucket: "b", Key: "defect" }));
  await expect(call).rejects.toMatchObject({ name: "InternalError", $metadata: { httpStatusCode: 500 } });
  expect(defects).toEqual([new TypeError("a defect")]);
});

test("it listens on loopback only", async () => {
  const reached = await new Promise((resolve) => {
    const request = http.get({ host: "127.0.0.2", port: gateway.port }, () => resolve(true));
    request.on("error", () => resolve(false));
  });
  expect(reached).toBe(false);
});
