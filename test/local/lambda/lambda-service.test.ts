// Lambda's Invoke API, driven by the official client.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { GetFunctionCommand, InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Gateway, startGateway } from "../../../local/gateway/gateway.ts";
import { type Principal, ServiceError } from "../../../local/gateway/service.ts";
import { EventInvocations } from "../../../local/lambda/event-invocations.ts";
import { asynchronousDefaults } from "../../../local/lambda/function-definition.ts";
import { LambdaHost } from "../../../local/lambda/lambda-host.ts";
import { createLambdaService } from "../../../local/lambda/lambda-service.ts";
import { Clock } from "../../../local/rig/clock.ts";
import { Faults } from "../../../local/rig/faults.ts";

const principal: Principal = { arn: "arn:aws:iam::1:role/r", accessKeyId: "ASIATEST", secretAccessKey: "secret" };
const stateDirectory = mkdtempSync(path.join(tmpdir(), "lambda-service-"));
const faults = new Faults();
const clock = new Clock();
const asked: string[] = [];
let refuse = false;
let host: LambdaHost;
let events: EventInvocations;
let gateway: Gateway;
let client: LambdaClient;

beforeAll(async () => {
  const place = { region: "eu-central-1", accountId: "111122223333" };
  host = new LambdaHost({ clock, faults, ...place, endpointUrl: () => gateway.url });
  host.addFunction({
    name: "basic",
    arn: host.arnOf("basic"),
    handler: "index.handler",
    codeDirectory: path.resolve("test/fixtures/local/functions/basic"),
    environment: {},
    memoryMb: 128,
    timeoutSeconds: 20,
    credentials: principal,
    logGroupName: "/aws/lambda/basic",
    asynchronous: asynchronousDefaults,
  });
  const queues = { sendMessage: () => undefined };
  events = new EventInvocations({ host, clock, authorize: () => undefined, stateDirectory, queues });
  const service = createLambdaService({
    host,
    events,
    authorize: (_principal, action, resource) => {
      asked.push(`${action} ${resource}`);
      if (refuse) throw new ServiceError(403, "AccessDenied", `not authorized to perform: ${action}`);
    },
  });
  gateway = await startGateway({ services: [service], principalOf: () => principal, clock, faults });
  client = new LambdaClient({ region: place.region, endpoint: gateway.url, credentials: principal, maxAttempts: 1 });
});
afterAll(async () => {
  await gateway.close();
  await events.close();
  await host.close();
  clock.close();
  rmSync(stateDirectory, { recursive: true });
});

function invoke(event: object, input: Partial<InvokeCommand["input"]> = {}) {
  return client.send(new InvokeCommand({ FunctionName: "basic", Payload: JSON.stringify(event), ...input }));
}

const textOf = (bytes: Uint8Array | undefined) => Buffer.from(bytes ?? []).toString();

test("a call answers with the handler's result, the version and, when asked, the log's end", async () => {
  const answer = await invoke({ do: "echo", text: "ü" }, { LogType: "Tail" });
  expect(JSON.parse(textOf(answer.Payload))).toEqual({ do: "echo", text: "ü" });
  expect(answer).toMatchObject({ StatusCode: 200, ExecutedVersion: "$LATEST" });
  expect(answer.FunctionError).toBeUndefined();
  const { LogResult = "" } = await invoke({ do: "log", lines: ["hello"] }, { LogType: "Tail" });
  expect(Buffer.from(LogResult, "base64").toString()).toBe("hello\nto stderr\n");
});

test("a function's failure is an answer with an error in it, not a failed call", async () => {
  const answer = await invoke({ do: "throw" });
  expect(answer).toMatchObject({ StatusCode: 200, FunctionError: "Unhandled" });
  expect(JSON.parse(textOf(answer.Payload))).toMatchObject({ errorType: "TypeError", errorMessage: "not like this" });
});

test("permission is asked on the function's ARN, whatever it was called by, even when it does not exist", async () => {
  asked.length = 0;
  const arn = host.arnOf("basic");
  for (const FunctionName of ["basic", arn, `${arn}:$LATEST`, "111122223333:basic"]) {
    await invoke({ do: "count" }, { FunctionName });
  }
  expect(new Set(asked)).toEqual(new Set([`lambda:InvokeFunction ${arn}`]));
  refuse = true;
  for (const FunctionName of ["basic", "nobody"]) {
    await expect(invoke({}, { FunctionName })).rejects.toMatchObject({
      name: "AccessDeniedException",
      $metadata: { httpStatusCode: 403 },
    });
  }
  refuse = false;
});

test("an event is taken in with 202 and run later; a dry run runs nothing", async () => {
  const before = host.lastInvocations.length;
  expect(await invoke({ do: "count" }, { InvocationType: "DryRun" })).toMatchObject({ StatusCode: 204 });
  expect(host.lastInvocations).toHaveLength(before);
  expect(await invoke({ do: "count" }, { InvocationType: "Event" })).toMatchObject({ StatusCode: 202 });
  await expect.poll(() => host.lastInvocations.length).toBe(before + 1);
});

test("wrong calls get Lambda's own errors", async () => {
  await expect(invoke({}, { FunctionName: "nobody" })).rejects.toMatchObject({ name: "ResourceNotFoundException" });
  await expect(invoke({}, { Payload: "{" })).rejects.toMatchObject({ name: "InvalidRequestContentException" });
  await expect(invoke({}, { Qualifier: "live" })).rejects.toMatchObject({ name: "ResourceNotFoundException" });
  const large = { InvocationType: "Event", Payload: JSON.stringify("x".repeat(1_048_576)) } as const;
  await expect(invoke({}, large)).rejects.toMatchObject({ name: "RequestTooLargeException" });
  const unknown = client.send(new GetFunctionCommand({ FunctionName: "basic" }));
  await expect(unknown).rejects.toThrow("does not know lambda's GET /2015-03-31/functions/basic; it knows Invoke.");
});

test("the fault rig finds a function by the ending of its name: throttled by the gateway, killed by the host", async () => {
  faults.add({ service: "lambda", operation: "sic", effect: { kind: "throttle" } });
  await expect(invoke({ do: "count" })).rejects.toMatchObject({
    name: "TooManyRequestsException",
    Reason: "CallerRateLimitExceeded",
  });
  faults.add({ service: "lambda", operation: "sic", effect: { kind: "kill", atCall: 1, when: "before" } });
  const answer = await invoke({ do: "fetch", url: gateway.url });
  expect(answer.FunctionError).toBe("Unhandled");
  expect(JSON.parse(textOf(answer.Payload)).errorType).toBe("Runtime.ExitError");
  expect(host.lastInvocations.at(-1)?.outgoingCalls).toBe(1);
});
