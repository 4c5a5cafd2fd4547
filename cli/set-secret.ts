// `causeway secrets set aliyun`: the key pair goes to Secrets Manager and nowhere else.
import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";
import { CreateSecretCommand, PutSecretValueCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import * as z from "zod";
import { UsageProblem } from "./usage-problem.ts";

const pairSchema = z.strictObject({
  accessKeyId: z.string().min(8),
  accessKeySecret: z.string().min(8),
  securityToken: z.string().min(1).optional(),
});

/** A key pair with a token is a few hundred bytes. */
const mostInputBytes = 65_536;

export async function setAliyunSecret(target: { stage: string }): Promise<void> {
  const pair = await readPair();
  const name = `/${target.stage}/replication/aliyun`;
  const client = new SecretsManagerClient({});
  const value = JSON.stringify(pair);
  try {
    await client.send(new PutSecretValueCommand({ SecretId: name, SecretString: value }));
    process.stdout.write(`The secret ${name} has a new value; functions use it within five minutes.\n`);
  } catch (error) {
    if (!(error instanceof Error && error.name === "ResourceNotFoundException")) throw error;
    await client.send(
      new CreateSecretCommand({
        Name: name,
        SecretString: value,
        Description: "Aliyun key pair with which Causeway lists backups and asks for their download links",
      }),
    );
    process.stdout.write(`The secret ${name} was created.\n`);
  }
}

async function readPair(): Promise<z.infer<typeof pairSchema>> {
  const { ALIYUN_ACCESS_KEY_ID, ALIYUN_ACCESS_KEY_SECRET, ALIYUN_SECURITY_TOKEN } = process.env;
  if (ALIYUN_ACCESS_KEY_ID && ALIYUN_ACCESS_KEY_SECRET) {
    return checked({
      accessKeyId: ALIYUN_ACCESS_KEY_ID,
      accessKeySecret: ALIYUN_ACCESS_KEY_SECRET,
      ...(ALIYUN_SECURITY_TOKEN ? { securityToken: ALIYUN_SECURITY_TOKEN } : {}),
    });
  }
  return checked(process.stdin.isTTY ? await askForPair() : parseJson(await readStandardInput()));
}

/** The secret half is typed unseen. */
async function askForPair(): Promise<unknown> {
  let muted = false;
  const output = new Writable({
    write(chunk, _encoding, done) {
      if (!muted) process.stdout.write(chunk);
      done();
    },
  });
  const prompt = createInterface({ input: process.stdin, output, terminal: true });
  try {
    const accessKeyId = (await prompt.question("Aliyun AccessKey id: ")).trim();
    process.stdout.write("Aliyun AccessKey secret (not shown): ");
    muted = true;
    const accessKeySecret = (await prompt.question("")).trim();
    process.stdout.write("\n");
    return { accessKeyId, accessKeySecret };
  } finally {
    prompt.close();
  }
}

async function readStandardInput(): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > mostInputBytes) throw new UsageProblem("Standard input is longer than a key pair can be.");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The parser's own message would repeat a piece of the input, and that may be the secret.
    throw new UsageProblem(
      'Standard input is not JSON. Give {"accessKeyId": "…", "accessKeySecret": "…"}, or set ALIYUN_ACCESS_KEY_ID and ALIYUN_ACCESS_KEY_SECRET.',
    );
  }
}

function checked(value: unknown): z.infer<typeof pairSchema> {
  const parsed = pairSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const fields = parsed.error.issues.map((issue) => `${issue.path.join(".") || "the whole"} (${issue.message})`);
  throw new UsageProblem(`That is no key pair: ${fields.join(", ")}.`);
}
