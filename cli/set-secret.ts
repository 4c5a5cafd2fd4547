// `causeway secrets set aliyun`: the key pair goes to Secrets Manager and nowhere else; no message repeats what was given.
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

type Pair = z.infer<typeof pairSchema>;

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

async function readPair(): Promise<Pair> {
  const { ALIYUN_ACCESS_KEY_ID, ALIYUN_ACCESS_KEY_SECRET, ALIYUN_SECURITY_TOKEN } = process.env;
  if (ALIYUN_ACCESS_KEY_ID || ALIYUN_ACCESS_KEY_SECRET) {
    const missing = ALIYUN_ACCESS_KEY_ID ? "ALIYUN_ACCESS_KEY_SECRET" : "ALIYUN_ACCESS_KEY_ID";
    if (!(ALIYUN_ACCESS_KEY_ID && ALIYUN_ACCESS_KEY_SECRET)) {
      throw new UsageProblem(`${missing} is not set, its other half is. Set both, or none to be asked.`);
    }
    return checked({
      accessKeyId: ALIYUN_ACCESS_KEY_ID,
      accessKeySecret: ALIYUN_ACCESS_KEY_SECRET,
      ...(ALIYUN_SECURITY_TOKEN ? { securityToken: ALIYUN_SECURITY_TOKEN } : {}),
    });
  }
  return checked(process.stdin.isTTY ? await askForPair() : parseJson(await readStandardInput()));
}

/** The secret half and the token are typed unseen. Ctrl-C and Ctrl-D end it, and nothing is stored. */
async function askForPair(): Promise<unknown> {
  let muted = false;
  const output = new Writable({
    write(chunk, _encoding, done) {
      if (!muted) process.stdout.write(chunk);
      done();
    },
  });
  const prompt = createInterface({ input: process.stdin, output, terminal: true, historySize: 0 });
  const givenUp = new Promise<never>((_, reject) => {
    prompt.once("close", () => reject(new UsageProblem("Nothing was stored.")));
  });
  const ask = async (question: string, unseen: boolean) => {
    if (unseen) process.stdout.write(question);
    muted = unseen;
    const answer = await Promise.race([prompt.question(unseen ? "" : question), givenUp]);
    if (unseen) process.stdout.write("\n");
    muted = false;
    return answer.trim();
  };
  try {
    const accessKeyId = await ask("Aliyun AccessKey id: ", false);
    const accessKeySecret = await ask("Aliyun AccessKey secret (not shown): ", true);
    const securityToken = await ask("Security token (not shown; Enter when there is none): ", true);
    return { accessKeyId, accessKeySecret, ...(securityToken === "" ? {} : { securityToken }) };
  } catch (error) {
    process.stdout.write("\n");
    throw error;
  } finally {
    givenUp.catch(() => undefined);
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

function checked(value: unknown): Pair {
  const parsed = pairSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  // Of the schema's findings only our own field names are told: an unknown field's name may be the key itself.
  const fields = new Set(
    parsed.error.issues.map(({ code, path }) => {
      if (code === "unrecognized_keys") return "it has fields besides accessKeyId, accessKeySecret and securityToken";
      if (path.length === 0) return "it is not an object";
      return `${path.join(".")} must be ${path[0] === "securityToken" ? "a text" : "a text of 8 characters or more"}`;
    }),
  );
  throw new UsageProblem(`That is no key pair: ${[...fields].join(", ")}.`);
}
