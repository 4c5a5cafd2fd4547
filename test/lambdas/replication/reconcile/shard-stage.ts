// A shard with both sides' lists and the comparison of a key in memory, for rounds that end as a test wants it.
import type { MirrorItem } from "../../../../lambdas/replication/mirror/mirror-item.ts";
import type { Compared } from "../../../../lambdas/replication/reconcile/compare-object.ts";
import type { JoinedKey, ListedObject, ReadPage } from "../../../../lambdas/replication/reconcile/join-lists.ts";
import {
  type ReconcileShardPorts,
  reconcileShard,
  type ShardProgress,
  type ShardRound,
  startOfShard,
} from "../../../../lambdas/replication/reconcile/reconcile-shard.ts";
import type { ReportLine } from "../../../../lambdas/replication/reconcile/report-differences.ts";
import { CausewayError } from "../../../../lambdas/shared/errors.ts";
import { pagesOf } from "./listed-keys.ts";

export const now = Date.parse("2026-11-20T12:00:00.000Z");

const shard = { number: 3, s3Prefix: "", ossPrefix: "", after: null, upTo: null };

/** Keys with a "?" are to be asked about: the table knows nothing of them. All others are equal. */
export class ShardStage {
  /** In the order in which they were done. */
  readonly compared: string[] = [];
  readonly files: { readonly number: number; readonly lines: readonly ReportLine[] }[] = [];
  mostAtOnce = 0;
  /** What becomes of a key that is asked about. */
  answer: (key: JoinedKey) => Promise<Compared> | Compared = () => ({ outcome: "mirrored", bytesRead: 10 });
  /** Of all objects in the lists. */
  facts: Partial<ListedObject> = {};
  readonly #pages: ReadPage;
  #atOnce = 0;

  constructor(keys: readonly string[], pageSize = 7) {
    this.#pages = pagesOf(keys, pageSize);
  }

  round(progress: ShardProgress, changes: Partial<ReconcileShardPorts> = {}, readData = false): Promise<ShardRound> {
    const read: ReadPage = async (after) => {
      const page = await this.#pages(after);
      return { ...page, objects: page.objects.map((object) => ({ ...object, ...this.facts })) };
    };
    const ports: ReconcileShardPorts = {
      readS3: read,
      readOss: read,
      known: async (keys) => new Map(keys.flatMap((key) => (key.includes("?") ? [] : [[key, itemOf(key)] as const]))),
      compare: (key) => this.#compare(key),
      targetKeyOf: (key) => `oss/${key}`,
      report: async (number, lines) => void this.files.push({ number, lines }),
      tell: () => undefined,
      mayGoOn: () => true,
      nameError: (error) =>
        error instanceof CausewayError ? error : new CausewayError("UnexpectedFailure", String(error)),
      now: () => now,
    };
    return reconcileShard(shard, { readData, progress }, { ...ports, ...changes });
  }

  /** Rounds until the shard is done; `changes` makes the ports of each. */
  async walk(changes: (round: number) => Partial<ReconcileShardPorts> = () => ({})): Promise<ShardRound[]> {
    const rounds: ShardRound[] = [];
    let progress = startOfShard;
    for (let number = 0; number < 200; number += 1) {
      // As the workflow hands it on.
      const round = await this.round(JSON.parse(JSON.stringify(progress)) as ShardProgress, changes(number));
      rounds.push(round);
      if (round.state === "done") return rounds;
      progress = round.progress;
    }
    throw new Error("the shard is never done");
  }

  async #compare(key: JoinedKey): Promise<Compared> {
    this.#atOnce += 1;
    this.mostAtOnce = Math.max(this.mostAtOnce, this.#atOnce);
    await new Promise((resolve) => setImmediate(resolve));
    this.#atOnce -= 1;
    const compared = await this.answer(key);
    this.compared.push(key.sourceKey);
    return compared;
  }
}

function itemOf(sourceKey: string): MirrorItem {
  const etag = `"${sourceKey}"`;
  const mirrored = { versionId: "v", s3Etag: etag, ossEtag: etag, bytes: 1, crc64: "0", at: "", receiptKey: null };
  return { sourceKey, targetKey: `oss/${sourceKey}`, wanted: 1, fence: 1, mirrored };
}
