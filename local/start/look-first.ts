// What can be found wrong before anything is made, and before the local cloud is even loaded.

import { checkBackupFile } from "../samples/register-file.ts";
import { type ChosenPorts, choosePorts } from "./choose-ports.ts";
import { claimState } from "./claim-state.ts";
import type { StartOptions } from "./options.ts";

export interface Ground {
  readonly ports: ChosenPorts;
  /** Lets another `npm start` have the state folder. */
  readonly letGo: () => void;
}

/** Throws an Error with a sentence: about a backup file, the state folder, a port. */
export async function lookFirst(options: StartOptions): Promise<Ground> {
  for (const file of options.backups) await checkBackupFile(file);
  const letGo = claimState(options.stateDirectory);
  try {
    return { ports: await choosePorts(options.port, options.stateDirectory), letGo };
  } catch (error) {
    letGo();
    throw error;
  }
}
