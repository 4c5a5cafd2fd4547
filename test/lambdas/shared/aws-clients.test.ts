// The lean client still calls as the SDK does: signed, tried again, with the errors' own classes; only idle steps are gone.
import http from "node:http";
import type { AddressInfo } from "node:net";
import { ConditionalCheckFailedException, UpdateItemCommand } from "@aws-sdk/client-dynamodb";
import { afterAll, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { leanDynamoDbClient } from "../../../lambdas/shared/aws-clients.ts";

const calls: http.IncomingHttpHeaders[] = [];
let answers: { readonly status: number; readonly body: object }[] = [];
const server = http.createServer((incoming, outgoing) => {
  calls.push(incoming.headers);
  const { status, body } = answers.shift() ?? { status: 200, body: {} };
  incoming.resume().once("end", () => {
    outgoing.writeHead(status, { "content-type": "application/x-amz-json-1.0" });
    outgoing.end(JSON.stringify(body));
  });
});
const update = () => new UpdateItemCommand({ TableName: "Notes", Key: { pk: { S: "1" } } });

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  vi.stubEnv("AWS_ENDPOINT_URL", `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  vi.stubEnv("AWS_REGION", "us-east-1");
  vi.stubEnv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE");
  vi.stubEnv("AWS_SECRET_ACCESS_KEY", "secret");
});

beforeEach(() => {
  calls.length = 0;
  answers = [];
});

afterAll(() => {
  vi.unstubAllEnvs();
  server.close();
});

test("what does nothing for a table is left out: a step of another name would stay, and be found here", async () => {
  const steps = leanDynamoDbClient().middlewareStack.identify().join("\n");
  expect(steps).not.toMatch(/logger|recursionDetection|UserAgent/i);
  expect(steps).toMatch(/retryMiddleware/);
});

test("a call is signed and does not tell the SDK's version", async () => {
  await leanDynamoDbClient().send(update());
  expect(calls).toHaveLength(1);
  expect(calls[0]?.authorization).toMatch(/^AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE\//);
  expect(calls[0]).not.toHaveProperty("user-agent");
});

test("one signer serves all calls, and each call has a signature of its own", async () => {
  const client = leanDynamoDbClient();
  expect(await client.config.signer()).toBe(await client.config.signer());
  await client.send(update());
  await client.send(new UpdateItemCommand({ TableName: "Notes", Key: { pk: { S: "2" } } }));
  const signatures = calls.map(({ authorization }) => authorization?.replace(/^.*Signature=/, ""));
  expect(new Set(signatures).size).toBe(2);
});

test("a passing fault is tried again, and an error has its class and its item", async () => {
  const item = { pk: { S: "1" } };
  answers = [
    { status: 500, body: { __type: "InternalServerError" } },
    { status: 400, body: { __type: "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException", Item: item } },
  ];
  const error: unknown = await leanDynamoDbClient()
    .send(update())
    .catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(ConditionalCheckFailedException);
  expect(error).toMatchObject({ Item: item });
  expect(calls).toHaveLength(2);
});
