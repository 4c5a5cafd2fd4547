// Writes the big sample to disk once and finds it again at the next start; disk trouble becomes a sentence.
import { mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { type PhysicalBackupOptions, physicalBackupFiles } from "./physical-backup.ts";
import { xbstream, xbstreamSize } from "./xbstream.ts";

const namePattern = /^physical-.*\.xb(\.part)?$/;

/** Returns the file's path. A whole file of the same seed, size and date is used as it is; others make room. */
export async function writePhysicalSample(directory: string, options: PhysicalBackupOptions): Promise<string> {
  const files = physicalBackupFiles(options);
  const file = path.join(directory, `physical-${options.seed}-${options.sizeBytes}-${options.startedAt}.xb`);
  const wantedBytes = xbstreamSize(files);
  if ((await sizeOf(file)) === wantedBytes) return file;
  await mkdir(directory, { recursive: true });
  for (const name of await readdir(directory)) {
    if (namePattern.test(name)) await rm(path.join(directory, name));
  }
  // Only a finished file gets the final name: an interrupted start never leaves half a sample behind it.
  const unfinished = `${file}.part`;
  await writePieces(unfinished, xbstream(files), wantedBytes);
  await rename(unfinished, file);
  return file;
}

/** Throws a sentence when the disk is full or the place cannot be written to; the unfinished file is removed. */
export async function writePieces(file: string, pieces: Iterable<Buffer>, totalBytes: number): Promise<void> {
  try {
    const handle = await open(file, "w");
    try {
      for (const piece of pieces) await handle.writeFile(piece);
    } finally {
      await handle.close();
    }
  } catch (error) {
    if ((await sizeOf(file)) !== undefined) await rm(file, { force: true });
    throw new Error(diskSentence(error, file, totalBytes), { cause: error });
  }
}

/** When the samples of this folder were "taken": kept, so that a restart lists the same backups. */
export async function readTakenAt(directory: string, now: number): Promise<number> {
  const file = path.join(directory, "samples.json");
  const known = await readNumber(file);
  if (known !== undefined && known <= now && now - known < longestReuseMilliseconds) return known;
  const takenAt = Math.floor(now / millisecondsPerHour) * millisecondsPerHour;
  const text = JSON.stringify({ takenAt });
  try {
    await mkdir(directory, { recursive: true });
    await writeFile(file, text);
  } catch (error) {
    throw new Error(diskSentence(error, file, text.length), { cause: error });
  }
  return takenAt;
}

const millisecondsPerHour = 3_600_000;
/** A run without input looks back 72 hours: the oldest sample, 47 hours old when taken, must still be seen. */
const longestReuseMilliseconds = 24 * millisecondsPerHour;

function diskSentence(error: unknown, file: string, totalBytes: number): string {
  const code = error instanceof Error && "code" in error ? String(error.code) : String(error);
  const directory = path.dirname(file);
  const mebibytes = Math.ceil(totalBytes / 1024 ** 2);
  if (code === "ENOSPC" || code === "EDQUOT") {
    return `The disk is full: the sample backups need ${mebibytes} MiB in ${directory}. Free some space, or choose a smaller --size.`;
  }
  if (code === "EACCES" || code === "EROFS" || code === "EPERM") {
    return `The sample backups cannot be written: ${directory} is not writable.`;
  }
  return `The sample backups cannot be written to ${directory}: ${error instanceof Error ? error.message : code}.`;
}

async function sizeOf(file: string): Promise<number | undefined> {
  try {
    const found = await stat(file);
    return found.isFile() ? found.size : undefined;
  } catch {
    return undefined;
  }
}

async function readNumber(file: string): Promise<number | undefined> {
  try {
    const parsed: unknown = JSON.parse(await readFile(file, "utf8"));
    const takenAt = typeof parsed === "object" && parsed !== null && "takenAt" in parsed ? parsed.takenAt : undefined;
    return typeof takenAt === "number" && Number.isSafeInteger(takenAt) ? takenAt : undefined;
  } catch {
    return undefined;
  }
}
