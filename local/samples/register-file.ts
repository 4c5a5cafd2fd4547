// Serves a file of the user's as an Aliyun backup (`npm start -- --backup FILE`).
import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import path from "node:path";
import type { AliyunStandIn } from "../aliyun-rds/aliyun-stand-in.ts";
import type { Backup } from "../aliyun-rds/catalogue.ts";

export const fileInstance = "rm-bp1yourfiles";

/** Long enough ago to be finished, recent enough for every window. */
const agoMilliseconds = 10 * 60_000;

/**
 * Adds the file as a full backup of instance `rm-bp1yourfiles` (MySQL 8.0); several files may be added. The same
 * unchanged file has the same backup id after a restart. It is read once for its checksum, later starts remember it.
 * Throws a sentence naming the file when it is missing, unreadable, not a regular file, or empty.
 */
export async function registerFile(aliyun: AliyunStandIn, file: string): Promise<Backup> {
  const absolute = path.resolve(file);
  const found = await checkBackupFile(absolute);
  aliyun.ensureInstance({ instanceId: fileInstance, engine: "MySQL", engineVersion: "8.0", description: "your files" });
  const identity = createHash("sha256").update(`${absolute}\0${found.size}\0${found.mtimeMs}`).digest();
  const isLogical = /\.sql(\.|$)/i.test(absolute);
  return aliyun.addBackup({
    instanceId: fileInstance,
    backupId: String(identity.readUIntBE(0, 6)),
    fileName: path.basename(absolute),
    content: { file: absolute },
    startedAt: Math.floor((aliyun.clock.now() - agoMilliseconds) / 60_000) * 60_000,
    backupMethod: isLogical ? "Logical" : "Physical",
    backupMode: "Manual",
  });
}

/** Its facts. Throws as `registerFile` does; asked early, nothing has been made in vain. */
export async function checkBackupFile(file: string) {
  let found: Awaited<ReturnType<typeof stat>>;
  try {
    found = await stat(file);
    await access(file, constants.R_OK);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "ENOENT" || code === "ENOTDIR") throw new Error(`There is no file ${file}.`, { cause: error });
    if (code === "EACCES") throw new Error(`${file} cannot be read: permission denied.`, { cause: error });
    throw new Error(`${file} cannot be read: ${error instanceof Error ? error.message : error}.`, { cause: error });
  }
  if (found.isDirectory()) throw new Error(`${file} is a directory; --backup takes one file.`);
  if (!found.isFile()) throw new Error(`${file} is not a regular file.`);
  if (found.size === 0) throw new Error(`${file} is empty: there is nothing to copy.`);
  return found;
}
