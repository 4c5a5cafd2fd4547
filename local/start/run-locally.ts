// What `npm start` does, in order: synthesise, boot, register samples, run, show, stay.
import { spawn } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { CreateSecretCommand, PutSecretValueCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { DescribeExecutionCommand, SFNClient, StartExecutionCommand } from "@aws-sdk/client-sfn";
import { followRun } from "../../cli/follow-run.ts";
import { connectionFile } from "../../cli/local-connection.ts";
import { openJobs } from "../../cli/open-jobs.ts";
import { humanBytes, resultTable } from "../../cli/render-run.ts";
import type { LocalCloud } from "../cloud.ts";
import { bootCloud } from "../cloud.ts";
import { Faults } from "../rig/faults.ts";
import { registerFile } from "../samples/register-file.ts";
import { registerSamples, sampleRegion } from "../samples/register-samples.ts";
import type { StartOptions } from "./options.ts";
import { SentenceError } from "./sentence-error.ts";
import { storm } from "./storm.ts";

const assemblyDirectory = "cdk.out";
const stage = "local";

/** Returns the exit code. */
export async function runLocally(options: StartOptions): Promise<number> {
  const say = (line: string) => process.stdout.write(`${line}\n`);
  const stop = new AbortController();
  const onSignal = () => stop.abort();
  process.on("SIGINT", onSignal).on("SIGTERM", onSignal);

  say("Causeway, on this machine alone: no account, no Docker, no network.");
  await step(say, "synthesising the app (cdk.out)", synthesise);
  const faults = new Faults(options.faultSeed ?? 1);
  if (options.faultSeed !== undefined) {
    const rules = storm(options.faultSeed);
    faults.add(...rules);
    say(
      `  fault rig: ${rules.length} kinds of trouble from seed ${options.faultSeed}: ${rules.map(nameOf).join(", ")}`,
    );
  }
  const stateDirectory = path.resolve(options.stateDirectory);
  const notices: string[] = [];
  const cloud = await step(say, "booting the local cloud from the templates", () =>
    bootCloud({
      assemblyDirectory,
      stateDirectory,
      faults,
      port: options.port,
      // Next to each other, and the same at every start, so that a run cut off in the middle finds its links again.
      ...(options.port === 0 ? {} : { aliyunPorts: { rpc: options.port + 1, download: options.port + 2 } }),
      ...(options.dynamodbEndpoint === undefined ? {} : { dynamodbEndpoint: options.dynamodbEndpoint }),
      onNotice: (notice) => notices.push(notice),
    }),
  );
  try {
    showCloud(say, cloud, stateDirectory, notices);
    await step(say, `preparing sample backups (${humanBytes(options.sizeBytes)}) on the Aliyun stand-in`, () =>
      prepareBackups(cloud, options, stateDirectory),
    );
    await putSecret(cloud);
    const code = await runOnce(say, cloud, stop.signal);
    if (options.once || stop.signal.aborted) return code;
    say("\nStaying up. The schedule of the templates goes on; Ctrl-C stops.");
    await new Promise<void>((resolve) => stop.signal.addEventListener("abort", () => resolve(), { once: true }));
    return 0;
  } finally {
    say("\nstopping …");
    rmSync(connectionFile, { force: true });
    await cloud.close();
  }
}

async function step<Result>(say: (line: string) => void, what: string, work: () => Promise<Result>): Promise<Result> {
  const startedAt = performance.now();
  process.stdout.write(`  ${what} … `);
  try {
    const result = await work();
    say(`${((performance.now() - startedAt) / 1000).toFixed(1)} s`);
    return result;
  } catch (error) {
    say("failed");
    throw error;
  }
}

/** In a process of its own: the local cloud knows the app by its templates alone. */
async function synthesise(): Promise<void> {
  const child = spawn(process.execPath, ["bin/causeway.ts"], {
    env: { ...process.env, CAUSEWAY_STAGE: stage, CDK_OUTDIR: assemblyDirectory },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (output += String(chunk)));
  const code = await new Promise<number | null>((resolve, reject) => child.on("error", reject).on("close", resolve));
  if (code !== 0) throw new SentenceError(`The app could not be synthesised (exit code ${code}):\n${output.trim()}`);
}

function showCloud(
  say: (line: string) => void,
  cloud: LocalCloud,
  stateDirectory: string,
  notices: readonly string[],
): void {
  say(`  AWS services   ${cloud.url}`);
  say(`  Aliyun RDS     http://${cloud.aliyun.rpcEndpoint}   downloads ${cloud.aliyun.downloadUrl}`);
  say(`  data and logs  ${path.relative(process.cwd(), stateDirectory) || "."}/   (npm run local:reset clears it)`);
  for (const notice of [...cloud.unknown, ...notices]) say(`  note: ${notice}`);
  const { accessKeyId, secretAccessKey } = cloud.operator;
  const connection = {
    endpointUrl: cloud.url,
    region: cloud.region,
    accessKeyId,
    secretAccessKey,
    aliyun: { endpoint: cloud.aliyun.rpcEndpoint, protocol: "http", region: sampleRegion },
  };
  mkdirSync(path.dirname(connectionFile), { recursive: true });
  writeFileSync(connectionFile, JSON.stringify(connection, null, 2), { mode: 0o600 });
}

async function prepareBackups(cloud: LocalCloud, options: StartOptions, stateDirectory: string): Promise<void> {
  await registerSamples(cloud.aliyun, {
    directory: path.join(stateDirectory, "samples"),
    sizeBytes: options.sizeBytes,
  });
  for (const file of options.backups) await registerFile(cloud.aliyun, file);
}

/** The stand-in's key pair, where the functions look for Aliyun's. */
async function putSecret(cloud: LocalCloud): Promise<void> {
  const client = new SecretsManagerClient(cloud.clientConfig());
  const name = `/${stage}/replication/aliyun`;
  const value = JSON.stringify(cloud.aliyunCredentials);
  try {
    await client.send(new PutSecretValueCommand({ SecretId: name, SecretString: value }));
  } catch (error) {
    if (!(error instanceof Error && error.name === "ResourceNotFoundException")) throw error;
    await client.send(new CreateSecretCommand({ Name: name, SecretString: value }));
  }
}

async function runOnce(say: (line: string) => void, cloud: LocalCloud, signal: AbortSignal): Promise<number> {
  const states = new SFNClient(cloud.clientConfig());
  const stateMachineArn = cloud.output("ReplicateBackupsArn");
  const { executionArn } = await states.send(new StartExecutionCommand({ stateMachineArn, input: "{}" }));
  const runId = executionArn?.split(":").at(-1) ?? "";
  say(`\nrun ${runId}\n`);
  const jobs = openJobs(cloud.clientConfig(), cloud.output("JobsTableName"));
  let status = "RUNNING";
  const view = await followRun({
    read: () => jobs.view(runId, Date.now()),
    hasEnded: async () => {
      status = (await states.send(new DescribeExecutionCommand({ executionArn }))).status ?? "";
      return status !== "RUNNING";
    },
    output: process.stdout,
    signal,
  });
  if (!view) {
    const { error, cause } = await states.send(new DescribeExecutionCommand({ executionArn }));
    throw new SentenceError(`The run ended before it began: ${status} ${error ?? ""} ${cause ?? ""}`);
  }
  say("");
  for (const line of resultTable(view)) say(line);
  say(`\n${view.sentence ?? `The run ended as ${status}.`}`);
  const receipt = view.units.find((unit) => unit.receiptKey !== undefined)?.receiptKey;
  if (receipt) {
    say("\nA receipt can be checked while this runs, by headers or (--read-data) by every byte:");
    say(`  npx causeway verify --local 's3://${cloud.output("BackupsBucketName")}/${receipt}'`);
  }
  return status === "SUCCEEDED" ? 0 : 1;
}

function nameOf(rule: ReturnType<typeof storm>[number]): string {
  return `${rule.resourceIncludes ?? rule.service} ${rule.effect.kind}`;
}
