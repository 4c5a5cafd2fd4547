// The local cloud booted from a small assembly: every service at work together, with the permissions of the templates.
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { CloudWatchLogsClient, FilterLogEventsCommand } from "@aws-sdk/client-cloudwatch-logs";
import { DynamoDBClient, GetItemCommand } from "@aws-sdk/client-dynamodb";
import { InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";
import { GetObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { GetSecretValueCommand, PutSecretValueCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import {
  DescribeExecutionCommand,
  GetExecutionHistoryCommand,
  SFNClient,
  StartExecutionCommand,
} from "@aws-sdk/client-sfn";
import { ReceiveMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { build } from "esbuild";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { BootOptions } from "../../local/boot-options.ts";
import { bootCloud, type LocalCloud } from "../../local/cloud.ts";
import { findFreeRow } from "../../local/free-ports.ts";
import { Clock } from "../../local/rig/clock.ts";

const temporary = mkdtempSync(path.join(tmpdir(), "cloud-"));
/** The fixture, its function bundled as a real one is. */
const fixture = path.join(temporary, "cdk.out");
const clouds: LocalCloud[] = [];

beforeAll(async () => {
  const source = path.resolve("test/fixtures/local/assembly");
  cpSync(source, fixture, { recursive: true });
  await build({
    entryPoints: [path.join(source, "functions/note/index.mjs")],
    outfile: path.join(fixture, "functions/note/index.mjs"),
    allowOverwrite: true,
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node24",
    mainFields: ["module", "main"],
    banner: { js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);' },
  });
});
afterEach(async () => {
  for (const cloud of clouds.splice(0)) await cloud.close();
});
afterAll(() => rmSync(temporary, { recursive: true }));

async function boot(options: Partial<BootOptions> = {}): Promise<LocalCloud> {
  const stateDirectory = options.stateDirectory ?? mkdtempSync(path.join(temporary, "state-"));
  const cloud = await bootCloud({ assemblyDirectory: fixture, ...options, stateDirectory });
  clouds.push(cloud);
  return cloud;
}

interface Statement {
  Action: string | string[];
}
type Template = { Resources: Record<string, { Properties: { PolicyDocument: { Statement: Statement[] } } }> };

/** A copy of the fixture with its work stack's template changed. */
function changedAssembly(change: (template: Template) => void): string {
  const directory = mkdtempSync(path.join(temporary, "assembly-"));
  cpSync(fixture, directory, { recursive: true });
  const file = path.join(directory, "house-work.template.json");
  const template = JSON.parse(readFileSync(file, "utf8")) as Template;
  change(template);
  writeFileSync(file, JSON.stringify(template));
  return directory;
}

async function takeNote(cloud: LocalCloud, note: object) {
  const client = new LambdaClient(cloud.clientConfig());
  const { Payload, FunctionError, LogResult } = await client.send(
    new InvokeCommand({ FunctionName: cloud.output("NoteFunction"), Payload: JSON.stringify(note), LogType: "Tail" }),
  );
  return {
    FunctionError,
    answer: JSON.parse(Buffer.from(Payload ?? []).toString()),
    log: Buffer.from(LogResult ?? "", "base64").toString(),
  };
}

async function messagesOf(cloud: LocalCloud, logicalId: string): Promise<unknown[]> {
  const queue = cloud.resource(logicalId);
  const client = new SQSClient(cloud.clientConfig());
  const QueueUrl = `${cloud.url}/${cloud.accountId}/${queue.physicalName}`;
  const { Messages = [] } = await client.send(new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10 }));
  return Messages.map(({ Body = "" }) => JSON.parse(Body));
}

describe("a booted cloud", () => {
  test("runs a function in its own role, with its settings, against every service it was given", async () => {
    const lines: string[] = [];
    const stateDirectory = mkdtempSync(path.join(temporary, "state-"));
    const cloud = await boot({
      stateDirectory,
      parameters: { Greeting: "welcome" },
      onLog: (name, line) => lines.push(`${name}: ${line}`),
    });
    const { answer, log, FunctionError } = await takeNote(cloud, { id: "first", text: "remember" });
    expect(FunctionError).toBeUndefined();
    expect(answer).toEqual({ greeting: "welcome", text: "remember", newNotes: 1, wordLength: 11, sealed: true });
    expect(JSON.parse(log)).toEqual({ message: "note taken", id: "first" });
    expect(lines).toEqual([`house-note: ${log.trim()}`]);
    expect(readFileSync(path.join(stateDirectory, "logs", "house-note.log"), "utf8")).toBe(log);
    const logs = new CloudWatchLogsClient(cloud.clientConfig());
    const { events } = await logs.send(new FilterLogEventsCommand({ logGroupName: "/aws/lambda/house-note" }));
    expect(events?.map(({ message }) => message)).toEqual([log.trim()]);
    const s3 = new S3Client(cloud.clientConfig());
    const object = await s3.send(new GetObjectCommand({ Bucket: cloud.output("PapersName"), Key: "notes/first" }));
    expect(await object.Body?.transformToString()).toBe("remember");
  });

  test("runs a state machine in its own role", async () => {
    const cloud = await boot();
    const client = new SFNClient(cloud.clientConfig());
    const input = JSON.stringify({ id: "by-flow", text: "flowing" });
    const { executionArn } = await client.send(
      new StartExecutionCommand({ stateMachineArn: cloud.output("FlowArn"), input }),
    );
    const described = async () => client.send(new DescribeExecutionCommand({ executionArn }));
    await expect.poll(async () => (await described()).status, { timeout: 20_000 }).toBe("SUCCEEDED");
    expect(JSON.parse((await described()).output ?? "")).toMatchObject({ text: "flowing" });
  });

  test("brings an object's event to the queue that a rule names, and lets nobody else in there", async () => {
    const cloud = await boot();
    const s3 = new S3Client(cloud.clientConfig());
    await s3.send(new PutObjectCommand({ Bucket: cloud.output("PapersName"), Key: "loose", Body: "leaf" }));
    const heard: unknown[] = [];
    const listen = async () => heard.push(...(await messagesOf(cloud, "Heard")));
    await expect.poll(listen, { timeout: 20_000 }).toBe(1);
    expect(heard[0]).toMatchObject({ "detail-type": "Object Created", detail: { object: { key: "loose" } } });
    expect(cloud.iam.calls.list()).toContainEqual(
      expect.objectContaining({ principalArn: "events.amazonaws.com", action: "sqs:SendMessage", allowed: true }),
    );
  });

  test("fires its schedule by hand", async () => {
    const cloud = await boot();
    cloud.scheduler.fire("daily-note");
    const client = new DynamoDBClient(cloud.clientConfig());
    const read = new GetItemCommand({ TableName: cloud.output("NotesName"), Key: { pk: { S: "daily" } } });
    await expect.poll(async () => (await client.send(read)).Item?.pk, { timeout: 20_000 }).toEqual({ S: "daily" });
  });

  test("keeps an event that a function cannot handle, after it was tried again", async () => {
    const cloud = await boot({ clock: new Clock({ skipIdle: true }) });
    const client = new LambdaClient(cloud.clientConfig());
    const { StatusCode } = await client.send(
      new InvokeCommand({ FunctionName: "house-note", InvocationType: "Event", Payload: '{"fail":true}' }),
    );
    expect(StatusCode).toBe(202);
    const lost: unknown[] = [];
    const listen = async () => lost.push(...(await messagesOf(cloud, "Lost")));
    await expect.poll(listen, { timeout: 20_000 }).toBe(1);
    expect(lost[0]).toMatchObject({
      requestContext: { condition: "RetriesExhausted", approximateInvokeCount: 2 },
      requestPayload: { fail: true },
      responsePayload: { errorMessage: "told to fail" },
    });
  });

  test("remembers everything over a restart", async () => {
    const stateDirectory = mkdtempSync(path.join(temporary, "state-"));
    const first = await boot({ stateDirectory });
    await takeNote(first, { id: "kept", text: "still here" });
    const put = new PutSecretValueCommand({ SecretId: "/house/word", SecretString: "shibboleth" });
    await new SecretsManagerClient(first.clientConfig()).send(put);
    await first.close();
    clouds.length = 0;
    const second = await boot({ stateDirectory });
    expect(second.aliyunCredentials).toEqual(first.aliyunCredentials);
    expect(second.operator).toEqual(first.operator);
    const read = new GetSecretValueCommand({ SecretId: "/house/word" });
    expect((await new SecretsManagerClient(second.clientConfig()).send(read)).SecretString).toBe("shibboleth");
    expect((await takeNote(second, { id: "next", text: "short" })).answer).toMatchObject({ newNotes: 2 });
  });

  test("that is closed in the middle of a task takes the execution up again at its next boot", async () => {
    const stateDirectory = mkdtempSync(path.join(temporary, "state-"));
    const lines: string[] = [];
    const first = await boot({ stateDirectory, onLog: (_name, line) => lines.push(line) });
    const start = new StartExecutionCommand({
      stateMachineArn: first.output("FlowArn"),
      input: JSON.stringify({ id: "interrupted", text: "twice begun", pauseMilliseconds: 1000 }),
    });
    const { executionArn } = await new SFNClient(first.clientConfig()).send(start);
    await expect.poll(() => lines.length, { timeout: 20_000 }).toBe(1);
    await first.close();
    clouds.length = 0;
    const second = await boot({ stateDirectory });
    const client = new SFNClient(second.clientConfig());
    const described = () => client.send(new DescribeExecutionCommand({ executionArn }));
    await expect.poll(async () => (await described()).status, { timeout: 20_000 }).toBe("SUCCEEDED");
    const { events = [] } = await client.send(new GetExecutionHistoryCommand({ executionArn }));
    expect(events.map(({ type }) => type).filter((type) => type?.endsWith("Failed"))).toEqual([]);
  });

  test("lives beside another one in the same process", async () => {
    const [first, second] = await Promise.all([boot(), boot()]);
    await takeNote(first, { id: "mine", text: "short" });
    expect((await takeNote(second, { id: "yours", text: "short" })).answer).toMatchObject({ newNotes: 1 });
    expect(first.operator.secretAccessKey).not.toBe(second.operator.secretAccessKey);
    const stranger = new LambdaClient({ ...second.clientConfig(), credentials: first.operator, maxAttempts: 1 });
    await expect(stranger.send(new InvokeCommand({ FunctionName: "house-note" }))).rejects.toThrow();
  });

  test("tells its outputs, its resources, and what it does not carry out", async () => {
    const cloud = await boot();
    expect(cloud.outputs["house-work"]?.NoteFunction).toBe("house-note");
    for (const name of ["Note1A2B3C4D", "house-work/Note", "Note"]) {
      expect(cloud.resource(name).arn).toBe("arn:aws:lambda:eu-central-1:111122223333:function:house-note");
    }
    expect(() => cloud.resource("Nobody")).toThrow("no resource Nobody");
    expect(() => cloud.output("Nothing")).toThrow("No stack has an output Nothing.");
    expect(cloud.unknown.some((sentence) => sentence.includes("AWS::Neptune::DBCluster"))).toBe(true);
  });

  test("has a clock that its clients and functions follow, wherever it stands", async () => {
    const clock = new Clock({ startAtMilliseconds: Date.parse("2031-01-02T03:04:05Z") });
    const cloud = await boot({ clock });
    expect((await takeNote(cloud, { id: "later", text: "short" })).FunctionError).toBeUndefined();
    clock.advance(86_400_000);
    const stale = new LambdaClient(cloud.clientConfig());
    clock.advance(86_400_000);
    await stale.send(new InvokeCommand({ FunctionName: "house-note", Payload: '{"id":"much-later","text":"short"}' }));
    expect((await takeNote(cloud, { id: "much-later", text: "short" })).FunctionError).toBeUndefined();
  });
});

describe("permissions of the templates", () => {
  const noteStatements = (template: Template) =>
    template.Resources.NotePolicy?.Properties.PolicyDocument.Statement ?? [];
  const { Resources } = JSON.parse(
    readFileSync("test/fixtures/local/assembly/house-work.template.json", "utf8"),
  ) as Template;
  const actions = noteStatements({ Resources })
    .flatMap(({ Action }) => Action)
    .filter((action) => action !== "sqs:SendMessage");

  test.each(actions)("%s, when it is taken away, is missed by the function and named in its error", async (action) => {
    const assemblyDirectory = changedAssembly((template) => {
      for (const statement of noteStatements(template)) {
        statement.Action = [statement.Action].flat().filter((granted) => granted !== action);
      }
    });
    const cloud = await boot({ assemblyDirectory });
    const { answer, FunctionError } = await takeNote(cloud, { id: "first", text: "remember" });
    expect(FunctionError).toBe("Unhandled");
    expect(answer.errorType).toMatch(/^AccessDenied(Exception)?$/);
    expect(answer.errorMessage).toContain(
      `assumed-role/house-work-NoteRole5E6F7A8B/local is not authorized to perform: ${action}`,
    );
    expect(cloud.iam.calls.denied().map((call) => call.action)).toEqual([action]);
  });

  test("can be taken away from a running cloud one at a time, with the same effect", async () => {
    const cloud = await boot();
    const errors: unknown[] = [];
    for (const grant of cloud.iam.grants().filter(({ policyName }) => policyName === "note")) {
      const giveBack = cloud.iam.withhold(grant);
      const { answer, FunctionError } = await takeNote(cloud, { id: "first", text: "remember" });
      if (FunctionError) errors.push(/perform: (\S+)/.exec(answer.errorMessage)?.[1]);
      giveBack();
    }
    expect(errors).toEqual(actions);
    expect((await takeNote(cloud, { id: "first", text: "remember" })).FunctionError).toBeUndefined();
  });

  test("are all used by what the function does, but for the one that only a failure needs", async () => {
    const cloud = await boot();
    await takeNote(cloud, { id: "first", text: "remember" });
    const unused = cloud.iam.grants().filter(({ policyName, uses }) => policyName === "note" && uses === 0);
    expect(unused.map(({ action }) => action)).toEqual(["sqs:SendMessage"]);
  });

  test("are asked of a role's own keys, not only of the machinery inside", async () => {
    const cloud = await boot();
    const { name, credentials } = cloud.lambda.find("house-note");
    const client = new LambdaClient({ ...cloud.clientConfig(), credentials, maxAttempts: 1 });
    await expect(client.send(new InvokeCommand({ FunctionName: name }))).rejects.toMatchObject({
      name: "AccessDeniedException",
      $metadata: { httpStatusCode: 403 },
    });
    const withoutToken = { accessKeyId: credentials.accessKeyId, secretAccessKey: credentials.secretAccessKey };
    const impostor = new S3Client({ ...cloud.clientConfig(), credentials: withoutToken, maxAttempts: 1 });
    const put = new PutObjectCommand({ Bucket: cloud.output("PapersName"), Key: "notes/x", Body: "x" });
    await expect(impostor.send(put)).rejects.toMatchObject({ name: "InvalidAccessKeyId" });
  });

  test("to write logs are a role's own matter: without them what a function prints is lost, and that is said", async () => {
    const assemblyDirectory = changedAssembly((template) => {
      const role = template.Resources.NoteRole5E6F7A8B as unknown as { Properties: { ManagedPolicyArns: string[] } };
      role.Properties.ManagedPolicyArns = [];
    });
    const lines: string[] = [];
    const notices: string[] = [];
    const cloud = await boot({
      assemblyDirectory,
      onLog: (_name, line) => lines.push(line),
      onNotice: (sentence) => notices.push(sentence),
    });
    expect((await takeNote(cloud, { id: "first", text: "remember" })).FunctionError).toBeUndefined();
    expect(lines).toEqual([]);
    expect(notices).toEqual([expect.stringContaining("What house-note prints is lost")]);
  });

  test("that a role does not give to Lambda keep the cloud from booting", async () => {
    const assemblyDirectory = changedAssembly((template) => {
      const role = template.Resources.NoteRole5E6F7A8B as unknown as {
        Properties: { AssumeRolePolicyDocument: { Statement: { Principal: object }[] } };
      };
      for (const statement of role.Properties.AssumeRolePolicyDocument.Statement) {
        statement.Principal = { Service: "ec2.amazonaws.com" };
      }
    });
    await expect(boot({ assemblyDirectory })).rejects.toThrow(
      "lambda.amazonaws.com is not authorized to perform: sts:AssumeRole",
    );
  });
});

describe("a cloud that cannot boot", () => {
  test("says that its port is taken, and leaves its state to the next try", async () => {
    const other = http.createServer();
    const port = await findFreeRow(1);
    await new Promise<void>((resolve) => other.listen(port, "127.0.0.1", resolve));
    const stateDirectory = mkdtempSync(path.join(temporary, "state-"));
    await expect(boot({ port, stateDirectory })).rejects.toThrow(`Port ${port} is taken by another program.`);
    other.close();
    const cloud = await boot({ port, stateDirectory });
    expect(cloud.url).toBe(`http://127.0.0.1:${port}`);
  });

  test("says that its state is in use", async () => {
    const stateDirectory = mkdtempSync(path.join(temporary, "state-"));
    await boot({ stateDirectory });
    await expect(boot({ stateDirectory })).rejects.toThrow("Another local cloud is using");
  });

  test("says that nothing was synthesised", async () => {
    await expect(boot({ assemblyDirectory: temporary })).rejects.toThrow("synthesise the app first");
  });
});
