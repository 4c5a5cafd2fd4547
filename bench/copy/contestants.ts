// Who takes part in the copy benchmark, and how each is started for one round.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import type { CopyPlan, SourceLink } from "../../lambdas/replication/copy.ts";
import type { runBatch } from "../../lambdas/replication/run-batch.ts";
import { bundleEntry } from "../../lib/constructs/bundle.ts";
import type { BenchCase } from "./cases.ts";
import { type Measured, measureProcess } from "./measure-process.ts";
import { sourceEtag, sourcePath } from "./stand-in.ts";

export const contestantNames = ["causeway", "rclone", "floor"] as const;
export type ContestantName = (typeof contestantNames)[number];

export interface Track {
  readonly benchCase: BenchCase;
  readonly sourceUrl: string;
  readonly sinkUrl: string;
  /** The stand-ins' own certificate, where they speak TLS. */
  readonly certificateFile: string | undefined;
}

/** What the entry takes: an input that lacks something does not compile. */
type BatchInput = Parameters<typeof runBatch>[0] & { readonly runId: string };

/** A round that takes longer than this hangs. */
const mostSecondsPerRound = 600;
const credentials = { AWS_ACCESS_KEY_ID: "AKIDEXAMPLE", AWS_SECRET_ACCESS_KEY: "bench", AWS_REGION: "us-east-1" };
/** As lib/stacks/replication-functions.ts gives them to the function. */
const nodeOptionsInLambda = "--enable-source-maps --max-semi-space-size=1";
const bucket = "bench";
const copyId = "aliyun-rds:rm-bench:1";

export const runners: Readonly<Record<ContestantName, (track: Track, partsAtOnce: number) => Promise<Measured>>> = {
  causeway(track) {
    const { benchCase, sinkUrl } = track;
    const event: BatchInput = {
      runId: "bench",
      copyId,
      executionArn: "arn:aws:states:us-east-1:123456789012:execution:bench:1",
      idleRounds: 0,
      batch: { number: 1, firstPart: 1, lastPart: partCount(benchCase) },
    };
    const program = join(import.meta.dirname, "copy-by-causeway.ts");
    return measureProcess(
      process.execPath,
      [program, bundleEntry("replication/copy-batch"), JSON.stringify(event)],
      {
        ...nodeEnvironment(track),
        ...credentials,
        AWS_ENDPOINT_URL: sinkUrl,
        BACKUPS_BUCKET: bucket,
        COPIES_TABLE: "copies",
        JOBS_TABLE: "jobs",
        PART_LEDGER_TABLE: "ledger",
        NODE_OPTIONS: nodeOptionsInLambda,
        MOST_PARTS_AT_ONCE: String(benchCase.mostPartsAtOnce),
      },
      mostSecondsPerRound,
    );
  },

  rclone({ benchCase, sourceUrl, sinkUrl, certificateFile }) {
    const { partBytes, partsAtOnce } = benchCase;
    const environment: NodeJS.ProcessEnv = {
      ...process.env,
      RCLONE_CONFIG: "/dev/null",
      RCLONE_CONFIG_SINK_TYPE: "s3",
      RCLONE_CONFIG_SINK_PROVIDER: "Other",
      RCLONE_CONFIG_SINK_ENDPOINT: sinkUrl,
      RCLONE_CONFIG_SINK_ACCESS_KEY_ID: credentials.AWS_ACCESS_KEY_ID,
      RCLONE_CONFIG_SINK_SECRET_ACCESS_KEY: credentials.AWS_SECRET_ACCESS_KEY,
    };
    // With it set, rclone 1.60 reads the bundle again for every request and looks far worse than it is.
    delete environment.AWS_CA_BUNDLE;
    return measureProcess(
      "rclone",
      [
        ...["copyurl", sourceUrl + sourcePath, `sink:${bucket}/key`],
        ...["--s3-chunk-size", `${partBytes}b`, "--s3-upload-cutoff", `${partBytes}b`],
        ...["--s3-upload-concurrency", String(partsAtOnce), "--s3-no-check-bucket"],
        ...(certificateFile === undefined ? [] : ["--no-check-certificate"]),
      ],
      environment,
      mostSecondsPerRound,
    );
  },

  floor(track, partsAtOnce) {
    const { sizeBytes, partBytes } = track.benchCase;
    const program = join(import.meta.dirname, "copy-simply.ts");
    const numbers = [sizeBytes, partBytes, partsAtOnce].map(String);
    return measureProcess(
      process.execPath,
      [program, track.sourceUrl + sourcePath, track.sinkUrl, ...numbers],
      nodeEnvironment(track),
      mostSecondsPerRound,
    );
  },
};

/** What the first line of `rclone version` says; nothing when there is no rclone. */
export function rcloneVersion(): string | undefined {
  const said = spawnSync("rclone", ["version"], {
    encoding: "utf8",
    env: { ...process.env, RCLONE_CONFIG: "/dev/null" },
  });
  return said.status === 0 ? said.stdout.split("\n", 1)[0]?.trim() : undefined;
}

export function partCount({ sizeBytes, partBytes }: BenchCase): number {
  return Math.ceil(sizeBytes / partBytes);
}

/** The item of the Copies table that the copy Lambda finds, in DynamoDB's JSON. */
export function copyItem(benchCase: BenchCase, sourceUrl: string): object {
  const { sizeBytes, partBytes } = benchCase;
  const plan: CopyPlan = {
    ...{ sizeBytes, partBytes, partCount: partCount(benchCase), rangesPerPart: 1 },
    ...{ bucket, key: "key", uploadId: "upload-1", uploadMark: "bench-upload" },
    sourceFacts: { sizeBytes, etag: sourceEtag, crc64: null },
    ...{ inventoryCrc64: null, replacesEtag: null, plannedAt: "2026-11-20T00:00:00.000Z" },
  };
  const link: SourceLink = { address: sourceUrl + sourcePath, expiresAt: null, version: 1 };
  return { copyId: { S: copyId }, plan: toDynamoDbJson(plan), link: toDynamoDbJson(link) };
}

function toDynamoDbJson(value: object | string | number | null): object {
  if (value === null) return { NULL: true };
  if (typeof value === "string") return { S: value };
  if (typeof value === "number") return { N: String(value) };
  return { M: Object.fromEntries(Object.entries(value).map(([name, field]) => [name, toDynamoDbJson(field)])) };
}

function nodeEnvironment({ certificateFile }: Track): NodeJS.ProcessEnv {
  const { PATH, HOME } = process.env;
  return {
    ...(PATH === undefined ? {} : { PATH }),
    ...(HOME === undefined ? {} : { HOME }),
    ...(certificateFile === undefined ? {} : { NODE_EXTRA_CA_CERTS: certificateFile }),
  };
}
