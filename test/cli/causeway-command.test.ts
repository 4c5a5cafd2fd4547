// `npx causeway` as a person runs it: real processes against a booted local cloud; exit codes, and no stack anywhere.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { DeleteObjectCommand, GetObjectCommand, PutObjectCommand } from "@aws-sdk/client-s3";
import { GetSecretValueCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { writeConnection } from "../../cli/local-connection.ts";
import type { Verdict } from "../../cli/verify-receipt.ts";
import { Clock } from "../../local/rig/clock.ts";
import { ReplicationRig } from "../replication/replication-rig.ts";
import { Command, type CommandOptions, type Ended, runNode } from "../run-command.ts";

const folder = mkdtempSync(path.join(tmpdir(), "causeway-command-"));
const local = ["--local", "--state", folder];
let rig: ReplicationRig;

beforeAll(async () => {
  rig = await ReplicationRig.start({ clock: new Clock() });
  const { accessKeyId, secretAccessKey } = rig.cloud.operator;
  const aliyun = { endpoint: rig.cloud.aliyun.rpcEndpoint, protocol: "http", region: "cn-hangzhou" } as const;
  const { url: endpointUrl, region } = rig.cloud;
  writeConnection(folder, { endpointUrl, region, accessKeyId, secretAccessKey, aliyun });
});

afterAll(async () => {
  await rig?.close();
  rmSync(folder, { recursive: true, force: true });
});

async function causeway(words: readonly string[], options: CommandOptions = {}): Promise<Ended> {
  const ended = await runNode(["cli/causeway.mjs", ...words], { input: "", ...options }).ended;
  expect(ended.stdout + ended.stderr).not.toMatch(/\n {4}at |node:internal/);
  return ended;
}

let copies = 0;

async function copied() {
  copies += 1;
  const backup = await rig.addBackup({ content: { seed: copies, sizeBytes: 70_000 } });
  const run = await rig.run({ backupIds: [backup.backupId] });
  expect(run.status, run.cause).toBe("SUCCEEDED");
  const result = (await rig.copy(backup))?.result;
  const key = result?.receiptKey ?? "";
  return { key: result?.key ?? "", receiptKey: key, receiptAt: `s3://${rig.bucket}/${key}` };
}

async function receiptText(key: string): Promise<string> {
  const answer = await rig.s3.send(new GetObjectCommand({ Bucket: rig.bucket, Key: key }));
  return (await answer.Body?.transformToString()) ?? "";
}

function file(name: string, text: string): string {
  const at = path.join(folder, name);
  writeFileSync(at, text);
  return at;
}

describe("causeway verify", { timeout: 120_000 }, () => {
  it("says line by line what it compared, by headers, and with --read-data by every byte; 0 when it holds", async () => {
    const { receiptAt } = await copied();
    const byHeaders = await causeway(["verify", ...local, receiptAt]);
    expect(byHeaders).toMatchObject({ code: 0, stderr: "" });
    expect(byHeaders.stdout).toMatch(/ok {3}signature: by arn:aws:kms/);
    expect(byHeaders.stdout).toContain("The receipt holds. Proof when it was written: source-checksum.");
    expect(byHeaders.stdout).not.toContain("read now");
    const byBytes = await causeway(["verify", ...local, "--read-data", "--json", receiptAt]);
    const verdict = JSON.parse(byBytes.stdout) as Verdict;
    expect(byBytes.code).toBe(0);
    expect(verdict.holds).toBe(true);
    expect(verdict.checks.filter(({ what }) => what.includes("read now"))).toHaveLength(2);
  });

  it("1, and the line that differs, for a changed field, a changed signature, a key of somebody else's", async () => {
    const { receiptKey } = await copied();
    const text = await receiptText(receiptKey);
    const field = file("field.json", text.replaceAll('"sizeBytes": 70000', '"sizeBytes": 70001'));
    const changed = await causeway(["verify", ...local, field]);
    expect(changed.code).toBe(1);
    expect(changed.stdout).toContain("DIFF signature: the receipt's text is not the one that was signed");
    expect(changed.stdout).toContain("DIFF S3 size: the receipt says 70001, found 70000");
    expect(changed.stdout).toContain("The receipt does NOT hold: see signature, S3 size, Aliyun size.");

    const document = JSON.parse(text) as { signature: { value: string; keyId: string } };
    const value = Buffer.from(document.signature.value, "base64");
    value[value.length - 1] = (value.at(-1) ?? 0) ^ 1;
    document.signature.value = value.toString("base64");
    const forged = await causeway(["verify", ...local, file("forged.json", JSON.stringify(document))]);
    expect(forged.code).toBe(1);
    expect(forged.stdout).toMatch(/DIFF signature: not made by arn:aws:kms/);

    document.signature.keyId = "arn:aws:kms:us-east-1:111122223333:key/of-somebody-else";
    const foreign = await causeway(["verify", ...local, file("foreign.json", JSON.stringify(document))]);
    expect(foreign.code).toBe(1);
    expect(foreign.stdout).toMatch(/DIFF signature: made by .*of-somebody-else, but the key of stage local is arn:/);
  });

  it("1 when the object was replaced or deleted in S3 since", async () => {
    const { key, receiptAt } = await copied();
    await rig.s3.send(new PutObjectCommand({ Bucket: rig.bucket, Key: key, Body: "something else" }));
    const replaced = await causeway(["verify", ...local, receiptAt]);
    expect(replaced.code).toBe(1);
    expect(replaced.stdout).toContain("DIFF S3 current version: the receipt says");
    await rig.s3.send(new DeleteObjectCommand({ Bucket: rig.bucket, Key: key }));
    const deleted = await causeway(["verify", ...local, receiptAt]);
    expect(deleted.code).toBe(1);
    expect(deleted.stdout).toMatch(/DIFF S3 current version: deleted; version \S+ is still there/);
  });

  it("2 and one sentence for what is no receipt, is not there, or cannot be asked for", async () => {
    const { receiptAt } = await copied();
    const refusals: readonly (readonly [readonly string[], RegExp])[] = [
      [["verify", ...local, "package.json"], /^causeway: package\.json is no receipt of a copy: .+\n$/],
      [["verify", ...local, file("text", "no JSON")], /^causeway: .*text is not JSON\.\n$/],
      [["verify", ...local, folder], /^causeway: .* is not a file\.\n$/],
      [["verify", ...local, "missing.json"], /^causeway: There is no file missing\.json\. /],
      [["verify", ...local, `s3://${rig.bucket}/receipts/missing.json`], /has no object of this key/],
      [["verify", ...local, "s3://no-such-bucket/copy.json"], /There is no such bucket/],
      [
        ["verify", "--local", "--state", path.join(folder, "none"), receiptAt],
        /^causeway: No local cloud is running on .*npm start/,
      ],
      [["verify", "--stage", "nowhere", receiptAt], /There is no such stage; stages\/ has dev, local, prod\./],
      [["verify"], /^causeway: missing required argument 'receipt'/],
      [["verify", receiptAt], /^causeway: No AWS region is set\. Set AWS_REGION/],
    ];
    const ended = await Promise.all(refusals.map(([words]) => causeway(words)));
    for (const [index, [words, sentence]] of refusals.entries()) {
      expect(ended[index]?.stderr, words.join(" ")).toMatch(sentence);
      expect(ended[index]?.code, words.join(" ")).toBe(2);
      expect(ended[index]?.stdout).toBe("");
    }
  });

  it("2 and the cure for AWS's own refusals", async () => {
    const { receiptAt } = await copied();
    const region = { AWS_REGION: rig.cloud.region };
    const keys = { AWS_ACCESS_KEY_ID: "AKIAUNKNOWNUNKNOWN00", AWS_SECRET_ACCESS_KEY: "no-such-secret" };
    const verify = (environment: Record<string, string>) =>
      causeway(["verify", "--stage", "local", receiptAt], { environment });
    const [without, unknown, nobody] = await Promise.all([
      verify(region),
      verify({ ...region, ...keys, AWS_ENDPOINT_URL: rig.cloud.url }),
      verify({ ...region, ...keys, AWS_ENDPOINT_URL: "http://127.0.0.1:9", AWS_MAX_ATTEMPTS: "1" }),
    ]);
    expect(without?.stderr).toMatch(/^causeway: No AWS credentials were found\. Sign in/);
    expect(unknown?.stderr).toMatch(/^causeway: AWS does not know these credentials\. Sign in/);
    expect(nobody?.stderr).toMatch(/^causeway: 127\.0\.0\.1:9 cannot be reached: nothing listens there\./);
    for (const ended of [without, unknown, nobody]) expect(ended?.code).toBe(2);
  });
});

describe("causeway secrets set aliyun", () => {
  const id = "LTAI5tExampleId0001";
  const secret = "ThisIsTheSecretHalf0001";

  async function stored(): Promise<unknown> {
    const client = new SecretsManagerClient(rig.cloud.clientConfig());
    const answer = await client.send(new GetSecretValueCommand({ SecretId: "/local/replication/aliyun" }));
    return JSON.parse(answer.SecretString ?? "");
  }

  it("takes the pair from the environment, or as JSON from standard input", async () => {
    const environment = {
      ALIYUN_ACCESS_KEY_ID: id,
      ALIYUN_ACCESS_KEY_SECRET: secret,
      ALIYUN_SECURITY_TOKEN: "token-1",
    };
    expect(await causeway(["secrets", "set", "aliyun", ...local], { environment })).toMatchObject({ code: 0 });
    expect(await stored()).toEqual({ accessKeyId: id, accessKeySecret: secret, securityToken: "token-1" });
    const input = JSON.stringify({ accessKeyId: id, accessKeySecret: `${secret}-new` });
    const ended = await causeway(["secrets", "set", "aliyun", ...local], { input });
    expect(ended).toMatchObject({ code: 0, stderr: "" });
    expect(ended.stdout).not.toContain(secret);
    expect(await stored()).toEqual({ accessKeyId: id, accessKeySecret: `${secret}-new` });
  });

  it("takes the mirror's pairs from variables of their own", async () => {
    const environment = { ALIYUN_OSS_ACCESS_KEY_ID: id, ALIYUN_OSS_ACCESS_KEY_SECRET: secret };
    expect(await causeway(["secrets", "set", "aliyun-oss", ...local], { environment })).toMatchObject({ code: 0 });
    const client = new SecretsManagerClient(rig.cloud.clientConfig());
    const answer = await client.send(new GetSecretValueCommand({ SecretId: "/local/replication/aliyun-oss" }));
    expect(JSON.parse(answer.SecretString ?? "")).toEqual({ accessKeyId: id, accessKeySecret: secret });
  });

  it("asks for it at a terminal, and shows neither the secret half nor the token", async () => {
    const words = `${process.execPath} --disable-warning=ExperimentalWarning cli/causeway.mjs secrets set aliyun ${local.join(" ")}`;
    const command = new Command("script", ["--quiet", "--return", "--command", words, "/dev/null"]);
    const type = async (question: string, answer: string) => {
      await command.says(question);
      command.child.stdin?.write(`${answer}\r`);
    };
    await type("AccessKey id:", id);
    await type("secret (not shown):", `${secret}-typed`);
    await type("Security token", "token-typed");
    await command.says("has a new value");
    command.child.stdin?.end();
    expect((await command.ended).code).toBe(0);
    expect(command.stdout).toContain(id);
    expect(command.stdout).not.toContain("typed");
    expect(await stored()).toEqual({
      accessKeyId: id,
      accessKeySecret: `${secret}-typed`,
      securityToken: "token-typed",
    });
  });

  it("never takes it from the command line, and repeats nothing of what it refuses", async () => {
    const before = await stored();
    const refusals: readonly (readonly [readonly string[], CommandOptions])[] = [
      [["aliyun", ...local, id, secret], {}],
      [[secret, ...local], {}],
      [["aliyun", ...local, `--secret=${secret}`], {}],
      [["aliyun", ...local, `-k${secret}`], {}],
      [["aliyun", ...local], { input: secret }],
      [["aliyun", ...local], { input: `{"accessKeyId": "${id}", "${secret}": "x"}` }],
      [["aliyun", ...local], { input: `["${secret}"]` }],
      [["aliyun", ...local], { environment: { ALIYUN_ACCESS_KEY_SECRET: secret } }],
      [["aliyun", "--stage", secret], { environment: { ALIYUN_ACCESS_KEY_ID: id, ALIYUN_ACCESS_KEY_SECRET: secret } }],
    ];
    const ended = await Promise.all(
      refusals.map(([words, options]) => causeway(["secrets", "set", ...words], options)),
    );
    for (const { code, stdout, stderr } of ended) {
      expect(code).toBe(2);
      expect(stderr).toMatch(/^causeway: \w/);
      expect(stdout + stderr).not.toContain(secret.slice(0, 12));
    }
    expect(await stored()).toEqual(before);
  });
});

it("help is help: exit code 0, every command named", async () => {
  const ended = await causeway(["--help"]);
  expect(ended).toMatchObject({ code: 0, stderr: "" });
  expect(ended.stdout).toMatch(/secrets[\s\S]*verify/);
});

it("ends well where nobody reads on, as with | head -1", async () => {
  const command = runNode(["cli/causeway.mjs", "--help"], { input: "" });
  command.child.stdout?.destroy();
  expect(await command.ended).toMatchObject({ code: 0, stderr: "" });
});

it("leads to the help of the command that was meant, and repeats no word too many, which may be a key", async () => {
  const add = ["relay", "accounts", "add"];
  const [tooMany, missing, unknown] = await Promise.all([
    causeway([...add, "anthropic", "sk-ant-secret-of-mine", "--name", "x"]),
    causeway(["relay", "keys", "create", "--model", "claude-*", "alice"]),
    causeway(["relay", "keys", "lsit"]),
  ]);
  expect(tooMany).toMatchObject({ code: 2, stdout: "" });
  expect(tooMany?.stderr).toMatch(/too many arguments for 'add'\. .*got 2\.\nnpx causeway relay accounts add --help /);
  expect(missing?.stderr).toMatch(
    /missing required argument 'names'\nAn option that takes several values takes all words up to the next option\.\nnpx causeway relay keys create --help /,
  );
  expect(unknown?.stderr).toMatch(/unknown command 'lsit'[\s\S]*npx causeway relay keys --help /);
});
