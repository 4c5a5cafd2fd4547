// Where a sign-in is kept between two commands: one file per API, in the user's own configuration folder, for its owner alone.
import { createHash } from "node:crypto";
import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import * as z from "zod";

const common = {
  url: z.string(),
  accessToken: z.string(),
  /** Milliseconds since 1970. */
  expiresAt: z.number(),
  tokenUrl: z.string(),
  clientId: z.string(),
};

const keptSchema = z.discriminatedUnion("kind", [
  z.object({ ...common, kind: z.literal("person"), name: z.string(), refreshToken: z.string() }),
  /** Its secret is not kept: it comes from the environment each time that a new token is needed. */
  z.object({ ...common, kind: z.literal("machine") }),
]);

export type KeptSignIn = z.infer<typeof keptSchema>;
export type PersonSignIn = Extract<KeptSignIn, { kind: "person" }>;

/** As the XDG base directory specification has it. */
export function signInFolder(environment: NodeJS.ProcessEnv = process.env): string {
  const { XDG_CONFIG_HOME: own } = environment;
  const base = own?.startsWith("/") ? own : join(homedir(), ".config");
  return join(base, "causeway");
}

function fileOf(url: string): string {
  const { host, pathname } = new URL(url);
  const readable = `${host}${pathname}`.replace(/[^A-Za-z0-9.]+/g, "-").replace(/-$/, "");
  const digest = createHash("sha256").update(url).digest("hex").slice(0, 8);
  return join(signInFolder(), `${readable.slice(0, 100)}-${digest}.json`);
}

/** Undefined where there is none, or what is there is none of ours. */
export function readSignIn(url: string): KeptSignIn | undefined {
  try {
    const kept = keptSchema.parse(JSON.parse(readFileSync(fileOf(url), "utf8")));
    return kept.url === url ? kept : undefined;
  } catch {
    return undefined;
  }
}

/** Whole or not at all: another command may be reading it. */
export function keepSignIn(signIn: KeptSignIn): void {
  const folder = signInFolder();
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const file = fileOf(signIn.url);
  const draft = `${file}.${process.pid}`;
  writeFileSync(draft, `${JSON.stringify(signIn, null, 2)}\n`, { mode: 0o600 });
  // The mode above counts for new files alone, and a mask may have taken from it.
  chmodSync(draft, 0o600);
  renameSync(draft, file);
}

export function forgetSignIn(url: string): void {
  rmSync(fileOf(url), { force: true });
}
