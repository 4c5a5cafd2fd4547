// One `npm start` at a time for a state folder: the second one is told of the first before it changes anything.
import { mkdirSync, statSync } from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { readConnection } from "../../cli/local-connection.ts";
import { SentenceError } from "./sentence-error.ts";

/** SQLite's codes for a file that somebody else has locked, that cannot be opened, that cannot be written. */
const sqlite = { busy: 5, readOnly: 8, cannotOpen: 14 } as const;

/** Returns the way to let go. The lock is the kernel's: it ends with the process, however that ends. */
export function claimState(stateDirectory: string): () => void {
  makeFolder(stateDirectory);
  let lock: DatabaseSync | undefined;
  try {
    lock = new DatabaseSync(path.join(stateDirectory, "npm-start.lock"));
    lock.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE;");
    const held = lock;
    return () => held.close();
  } catch (error) {
    lock?.close();
    const { errcode } = error as { errcode?: unknown };
    if (errcode === sqlite.cannotOpen || errcode === sqlite.readOnly) {
      throw new SentenceError(unusable(stateDirectory, "nothing can be written there"), { cause: error });
    }
    if (errcode !== sqlite.busy) throw error;
    const url = readConnection(stateDirectory)?.endpointUrl;
    throw new SentenceError(
      `Another npm start is using ${stateDirectory}${url ? ` (${url})` : ""}. Stop it with Ctrl-C, or give this one a folder and ports of its own: --state FOLDER --port 0`,
      { cause: error },
    );
  }
}

/** One level after the other: Node's own way to make all levels never ends where no folder can be made, as in /proc. */
function makeFolder(folder: string): void {
  try {
    const present = statSync(folder, { throwIfNoEntry: false });
    if (present?.isDirectory()) return;
    if (present !== undefined) throw new SentenceError(unusable(folder, "there is a file of this name"));
    const parent = path.dirname(folder);
    if (parent !== folder) makeFolder(parent);
    mkdirSync(folder, { mode: 0o700 });
  } catch (error) {
    if (error instanceof SentenceError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    // Somebody else made it in this moment.
    if (code === "EEXIST" && statSync(folder, { throwIfNoEntry: false })?.isDirectory()) return;
    throw new SentenceError(unusable(folder, `it cannot be made (${code})`), { cause: error });
  }
}

function unusable(folder: string, why: string): string {
  return `--state cannot be in ${folder}: ${why}. Choose a folder of yours with --state, such as --state ~/causeway.`;
}
