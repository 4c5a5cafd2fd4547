// The functions that look after accounts, on the local cloud with the rights of their own roles, and nothing more.
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { KMSClient } from "@aws-sdk/client-kms";
import { InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";
import { DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";
import { afterAll, beforeAll, expect, it } from "vitest";
import { AccountErrorsStore } from "../../../../lambdas/relay/account-errors.store.ts";
import { AccountsStore } from "../../../../lambdas/relay/accounts.store.ts";
import { encryptCredential } from "../../../../lambdas/relay/credentials/envelope.ts";
import { CredentialsStore } from "../../../../lambdas/relay/credentials.store.ts";
import { DataKeysStore } from "../../../../lambdas/relay/data-keys.store.ts";
import { SettingsStore } from "../../../../lambdas/relay/settings.store.ts";
import { relaySettingsSchema } from "../../../../lambdas/relay/settings.ts";
import { bootCloud, type LocalCloud } from "../../../../local/cloud.ts";
import { Clock } from "../../../../local/rig/clock.ts";
import { stopSchedules } from "../../../stop-schedules.ts";
import { testAssembly } from "../../../test-assembly.ts";
import { accountOf } from "./sample-accounts.ts";

const hour = 60 * 60 * 1000;

let folder = "";
let clock: Clock;
let cloud: LocalCloud;
let documents: DynamoDBDocumentClient;
let accounts: AccountsStore;
let errors: AccountErrorsStore;

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), "causeway-accounts-"));
  clock = new Clock();
  cloud = await bootCloud({
    assemblyDirectory: testAssembly,
    onlyStacks: ["data", "relay"],
    stateDirectory: folder,
    clock,
    port: 0,
  });
  await stopSchedules(cloud);
  documents = DynamoDBDocumentClient.from(new DynamoDBClient(cloud.clientConfig()), {
    marshallOptions: { removeUndefinedValues: true },
  });
  accounts = new AccountsStore(documents, cloud.output("RelayAccountsTableName"));
  errors = new AccountErrorsStore(documents, cloud.output("RelayAccountsTableName"));
});

afterAll(async () => {
  await cloud?.close();
  clock?.close();
  rmSync(folder, { recursive: true, force: true });
});

async function invoke(output: string, input: object = {}): Promise<unknown> {
  const client = new LambdaClient(cloud.clientConfig());
  const { Payload, FunctionError } = await client.send(
    new InvokeCommand({ FunctionName: cloud.output(output), Payload: JSON.stringify(input) }),
  );
  const answer = JSON.parse(Buffer.from(Payload ?? []).toString("utf8"));
  if (FunctionError !== undefined) throw new Error(JSON.stringify(answer));
  return answer;
}

it("recovery ends pauses that are over, tells of limits once, and forgets families that are long well", async () => {
  const now = clock.now();
  const limited = { state: "rate-limited", since: now - 2 * hour, until: now + hour, failures: 1 } as const;
  const over = { ...limited, until: now - 1 };
  const healthyFamily = { state: "healthy", since: now - 2 * hour, until: null, failures: 0 } as const;
  await accounts.create(accountOf("limited", { condition: limited }));
  await accounts.create(accountOf("over", { condition: over, familyConditions: { opus: over, haiku: healthyFamily } }));

  const note = { accountId: "limited", at: now, family: undefined, until: now + hour };
  await errors.noteError({ ...note, state: "rate-limited", said: "429 slow down" });

  // The schedule fires when it is made: perhaps it was quicker.
  await invoke("RecoverAccountsFunctionName");
  expect(await invoke("RecoverAccountsFunctionName")).toEqual({ accounts: 2, recovered: 0, announced: 0 });
  expect(await accounts.account("limited")).toMatchObject({ condition: limited, told: { "": "rate-limited" } });
  const recovered = await accounts.account("over");
  expect(recovered?.condition.state).toBe("healthy");
  expect(Object.keys(recovered?.familyConditions ?? {})).toEqual(["opus"]);
});

it("a test by hand calls the upstream with the account's own credential, and one by schedule finds who is due", async () => {
  const accountId = "tested";
  const dataKeys = new DataKeysStore(new KMSClient(cloud.clientConfig()), "alias/causeway-local/relay-credentials");
  const credential = { apiKey: cloud.aiUpstream.issueKey("anthropic", "tested") };
  const context = { accountId, stage: "local", version: 1 };
  await new CredentialsStore(documents, cloud.output("RelayAccountsTableName")).put(
    accountId,
    await encryptCredential(credential, context, { dataKeys, random: randomBytes }),
  );
  const blocked = { state: "blocked", since: clock.now() - hour, until: null, failures: 1 } as const;
  const settings = { baseUrl: cloud.aiUpstream.baseUrl("anthropic") };
  await accounts.create(accountOf(accountId, { provider: "anthropic-compatible", settings, condition: blocked }));
  expect(await invoke("ProbeAccountFunctionName", { accountId })).toMatchObject({
    probed: [{ accountId, ok: true, status: 200, state: "healthy" }],
  });
  expect(cloud.aiUpstream.requests.at(-1)?.key).toBe("tested");
  cloud.aiUpstream.revokeKey("anthropic", "tested");
  expect(await invoke("ProbeAccountFunctionName")).toEqual({ probed: [] });
  const store = new SettingsStore(documents, cloud.output("RelayAccountsTableName"));
  await store.putSettings(relaySettingsSchema.parse({ probeMinutes: 1 }), 0);
  clock.advance(2 * 60_000);
  const { probed } = (await invoke("ProbeAccountFunctionName")) as { probed: { accountId: string }[] };
  expect(probed.find((each) => each.accountId === accountId)).toMatchObject({ ok: false, state: "unauthorised" });
  expect(await errors.history(accountId, { most: 5 })).toMatchObject({
    entries: [{ state: "unauthorised", count: 1 }],
  });
  expect(JSON.stringify(await accounts.account(accountId))).not.toContain(credential.apiKey);
});
