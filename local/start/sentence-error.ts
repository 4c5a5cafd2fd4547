// Errors for the person at the keyboard: what is wrong, and the cure.
import { stateFolder } from "../../cli/project-folder.ts";
import { quoted } from "../../cli/shell-word.ts";

export class SentenceError extends Error {
  override readonly name = "SentenceError";
}

const defects = ["TypeError", "ReferenceError", "RangeError", "AssertionError"];

/** What is said of whatever ended `npm start`. */
export function sentenceOf(error: unknown, stateDirectory: string): string {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof SentenceError) return error.message;
  const { code, path } = error as NodeJS.ErrnoException;
  const clear = stateDirectory === stateFolder ? "npm run local:reset" : `rm -r ${quoted(stateDirectory)}`;
  if (code === "ENOSPC" || code === "EDQUOT" || /database or disk is full/.test(error.message)) {
    return `The disk of ${stateDirectory} is full. Free some space, choose a smaller --size, or clear the local cloud's data: ${clear}`;
  }
  if (code === "EACCES" || code === "EPERM" || code === "EROFS") {
    return `${path ?? stateDirectory} is not writable. Choose another folder with --state.`;
  }
  if (code === "ENOTDIR" || code === "EEXIST") {
    return `${path ?? stateDirectory} is in the way: --state takes a folder.`;
  }
  // The JSON parser's message would repeat a piece of the file, and that may be a key.
  const why = error instanceof SyntaxError ? "a file is not JSON" : error.message;
  if (error instanceof SyntaxError || code === "ERR_SQLITE_ERROR" || /not a valid SQLite database/.test(why)) {
    return `The local cloud's data in ${stateDirectory} cannot be read (${why}). Clear it: ${clear}`;
  }
  if (defects.includes(error.name)) {
    return `npm start broke, which is a defect of it: ${error.message}. With DEBUG=1 before it, it shows where.`;
  }
  return error.message;
}
