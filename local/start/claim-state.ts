// One `npm start` at a time for a state folder: the second one is told of the first before it changes anything.
import { mkdirSync } from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { readConnection } from "../../cli/local-connection.ts";
import { SentenceError } from "./sentence-error.ts";

/** SQLite's code for a file that somebody else has locked. */
const sqliteBusy = 5;

/** Returns the way to let go. The lock is the kernel's: it ends with the process, however that ends. */
export function claimState(stateDirectory: string): () => void {
  mkdirSync(stateDirectory, { recursive: true, mode: 0o700 });
  const lock = new DatabaseSync(path.join(stateDirectory, "npm-start.lock"));
  try {
    lock.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE;");
    return () => lock.close();
  } catch (error) {
    lock.close();
    if ((error as { errcode?: unknown }).errcode !== sqliteBusy) throw error;
    const url = readConnection(stateDirectory)?.endpointUrl;
    throw new SentenceError(
      `Another npm start is using ${stateDirectory}${url ? ` (${url})` : ""}. Stop it with Ctrl-C, or give this one a folder and ports of its own: --state FOLDER --port 0`,
      { cause: error },
    );
  }
}
