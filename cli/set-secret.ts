// `causeway secrets set aliyun` (or aliyun-oss, aliyun-oss-deletes): the key pair goes to Secrets Manager and nowhere else; no message repeats what was given.
// What every secret needs lies here, too: storing it, and reading it from standard input or a terminal.
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

/** By the name in the secret's path: what the key pair is for. */
const pairPurposes: Readonly<Record<string, string>> = {
  aliyun: "Aliyun key pair with which Causeway lists backups and asks for their download links",
  "aliyun-oss": "Aliyun key pair with which Causeway mirrors objects to OSS",
  "aliyun-oss-deletes": "Aliyun key pair with which Causeway deletes in OSS what was deleted in S3",
};

/** `name`: one of `pairPurposes`. */
export async function setAliyunSecret(target: { stage: string }, name: string): Promise<void> {
  const pair = await readPair(name);
  await storeSecret(`/${target.stage}/replication/${name}`, pair, pairPurposes[name] ?? "Aliyun key pair");
}

/** A new value of the secret, which is made where there is none. Says what it did, never what was stored. */
export async function storeSecret(name: string, content: object, description: string): Promise<void> {
  const client = new SecretsManagerClient({});
  const value = JSON.stringify(content);
  try {
    await client.send(new PutSecretValueCommand({ SecretId: name, SecretString: value }));
    process.stdout.write(`The secret ${name} has a new value; functions use it within five minutes.\n`);
  } catch (error) {
    if (!(error instanceof Error && error.name === "ResourceNotFoundException")) throw error;
    await client.send(
      new CreateSecretCommand({
        Name: name,
        SecretString: value,
        Description: description,
      }),
    );
    process.stdout.write(`The secret ${name} was created.\n`);
  }
}

/** From the environment, where the variables of `aliyun-oss` begin with ALIYUN_OSS_; else from standard input or a person. */
async function readPair(name: string): Promise<Pair> {
  const prefix = name.toUpperCase().replaceAll("-", "_");
  const [idName, secretName] = [`${prefix}_ACCESS_KEY_ID`, `${prefix}_ACCESS_KEY_SECRET`];
  const [accessKeyId, accessKeySecret] = [process.env[idName], process.env[secretName]];
  const securityToken = process.env[`${prefix}_SECURITY_TOKEN`];
  if (accessKeyId || accessKeySecret) {
    if (!(accessKeyId && accessKeySecret)) {
      const missing = accessKeyId ? secretName : idName;
      throw new UsageProblem(`${missing} is not set, its other half is. Set both, or none to be asked.`);
    }
    return checked({ accessKeyId, accessKeySecret, ...(securityToken ? { securityToken } : {}) });
  }
  const pairForm = `Give {"accessKeyId": "…", "accessKeySecret": "…"}, or set ${idName} and ${secretName}.`;
  return checked(process.stdin.isTTY ? await askForPair() : await readJsonInput(pairForm));
}

/** The secret half and the token are typed unseen. */
function askForPair(): Promise<unknown> {
  return withPrompt(async (ask) => {
    const accessKeyId = await ask("Aliyun AccessKey id: ", false);
    const accessKeySecret = await ask("Aliyun AccessKey secret (not shown): ", true);
    const securityToken = await ask("Security token (not shown; Enter when there is none): ", true);
    return { accessKeyId, accessKeySecret, ...(securityToken === "" ? {} : { securityToken }) };
  });
}

export type Ask = (question: string, unseen: boolean) => Promise<string>;

/** Asks at the terminal. Ctrl-C and Ctrl-D end it, and nothing is stored. */
export async function withPrompt<Answer>(questions: (ask: Ask) => Promise<Answer>): Promise<Answer> {
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
  const ask: Ask = async (question, unseen) => {
    if (unseen) process.stdout.write(question);
    muted = unseen;
    const answer = await Promise.race([prompt.question(unseen ? "" : question), givenUp]);
    if (unseen) process.stdout.write("\n");
    muted = false;
    return answer.trim();
  };
  try {
    return await questions(ask);
  } catch (error) {
    process.stdout.write("\n");
    throw error;
  } finally {
    givenUp.catch(() => undefined);
    prompt.close();
  }
}

export async function readStandardInput(): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > mostInputBytes) throw new UsageProblem("Standard input is longer than a secret can be.");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** Standard input as JSON; `form` says what it must be. */
export async function readJsonInput(form: string): Promise<unknown> {
  const text = await readStandardInput();
  try {
    return JSON.parse(text);
  } catch {
    // The parser's own message would repeat a piece of the input, and that may be the secret.
    throw new UsageProblem(`Standard input is not JSON. ${form}`);
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
