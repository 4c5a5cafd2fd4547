// What the download tests share: one backup to fetch, and a GET that reads everything.
import type { BackupContent } from "../../../local/aliyun-rds/backup-body.ts";
import type { NewBackup } from "../../../local/aliyun-rds/catalogue.ts";
import type { AliyunFixture } from "./aliyun-fixture.ts";

const instanceId = "rm-bp1";

/** Adds a backup (id "1" unless told) and returns its link. */
export async function addSource(
  fixture: AliyunFixture,
  content: BackupContent,
  more: Partial<NewBackup> = {},
): Promise<string> {
  const { aliyun } = fixture;
  const backupId = more.backupId ?? "1";
  aliyun.ensureInstance({ instanceId, engine: "MySQL", engineVersion: "8.0" });
  await aliyun.addBackup({ instanceId, backupId, startedAt: Date.UTC(2026, 10, 19, 12), content, ...more });
  return aliyun.linkTo(backupId);
}

export async function get(link: string, headers: Record<string, string> = {}) {
  const response = await fetch(link, { headers: { "accept-encoding": "identity", ...headers } });
  return { status: response.status, headers: response.headers, body: Buffer.from(await response.arrayBuffer()) };
}
