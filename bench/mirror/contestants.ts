// Who takes part in the mirror benchmark, and how each is started for one run.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { bundleEntry } from "../../lib/constructs/bundle.ts";
import { type Measured, measureProcess } from "../copy/measure-process.ts";
import { type CaseName, type MirrorCase, objectsAtOnce, partBytes, partsAtOnce, prefixes } from "./cases.ts";
import type { FarEnds } from "./far-ends.ts";
import type { Work } from "./mirror-by-causeway.ts";
import { ossBucket, ossSecretId } from "./serve-far-ends.ts";

export const contestantNames = ["causeway", "rclone"] as const;
export type ContestantName = (typeof contestantNames)[number];

/** A run that takes longer than this hangs. */
const mostSecondsPerRun = 900;
/** As lib/stacks/replication-mirror.ts has them: messages in a batch, and keys of it in work at once. */
const messagesPerBatch = 10;
const keysAtOnce = 5;
/** As the stack gives them to the functions. */
const nodeOptionsInLambda = {
  small: "--enable-source-maps",
  large: "--enable-source-maps --max-semi-space-size=1",
};

export const runners: Readonly<
  Record<ContestantName, (farEnds: FarEnds, mirrorCase: MirrorCase, run: number) => Promise<Measured>>
> = {
  causeway(farEnds, mirrorCase, run) {
    const program = join(import.meta.dirname, "mirror-by-causeway.ts");
    const work = mirrorCase.name === "small" ? smallWork(mirrorCase) : largeWork(mirrorCase, run);
    const environment = environmentOf(farEnds, mirrorCase.name);
    // Longer than a command line may be.
    const workFile = join(farEnds.folder, "work.json");
    writeFileSync(workFile, JSON.stringify(work));
    return measureProcess(process.execPath, [program, workFile], environment, mostSecondsPerRun);
  },

  rclone({ aws, oss }, { name }) {
    const remote = (of: string, values: Readonly<Record<string, string>>) =>
      Object.fromEntries(Object.entries(values).map(([option, value]) => [`RCLONE_CONFIG_${of}_${option}`, value]));
    const environment: NodeJS.ProcessEnv = {
      ...process.env,
      RCLONE_CONFIG: "/dev/null",
      ...remote("SOURCE", {
        ...{ TYPE: "s3", PROVIDER: "Other", LIST_VERSION: "2", ENDPOINT: aws.url, REGION: aws.region },
        ...{ ACCESS_KEY_ID: aws.keys.accessKeyId, SECRET_ACCESS_KEY: aws.keys.accessKeySecret },
      }),
      ...remote("TARGET", {
        ...{
          TYPE: "s3",
          PROVIDER: "Other",
          LIST_VERSION: "2",
          ENDPOINT: oss.url,
          REGION: oss.region,
          USE_MULTIPART_ETAG: "false",
        },
        ...{ ACCESS_KEY_ID: oss.keys.accessKeyId, SECRET_ACCESS_KEY: oss.keys.accessKeySecret },
      }),
    };
    // With it set, rclone 1.60 reads the bundle again for every request and looks far worse than it is.
    delete environment.AWS_CA_BUNDLE;
    const prefix = prefixes[name];
    const numbers = {
      "--transfers": objectsAtOnce,
      "--checkers": objectsAtOnce,
      "--s3-upload-concurrency": partsAtOnce,
    };
    const sizes = { "--s3-chunk-size": `${partBytes}b`, "--s3-upload-cutoff": `${partBytes}b` };
    const options = Object.entries({ ...numbers, ...sizes }).flatMap(([option, value]) => [option, String(value)]);
    const from = `source:${aws.outputs.BackupsBucketName}/${prefix}`;
    const to = `target:${ossBucket}/iotdb-backup/${prefix}`;
    return measureProcess(
      "rclone",
      ["copy", from, to, "--s3-no-check-bucket", ...options],
      environment,
      mostSecondsPerRun,
    );
  },
};

/** Every key is put once more, whatever the table says of an earlier run. */
function smallWork({ objects }: MirrorCase): Work {
  const records = objects.map(({ key }, index) => ({
    messageId: String(index),
    receiptHandle: String(index),
    body: JSON.stringify({ sourceKey: key, again: true }),
    attributes: { ApproximateReceiveCount: "1" },
  }));
  const events = Array.from({ length: Math.ceil(records.length / messagesPerBatch) }, (_, batch) => ({
    Records: records.slice(batch * messagesPerBatch, (batch + 1) * messagesPerBatch),
  }));
  const invocationsAtOnce = objectsAtOnce / keysAtOnce;
  return { kind: "small", objects: bundleEntry("replication/mirror-objects"), events, invocationsAtOnce };
}

function largeWork({ objects }: MirrorCase, run: number): Work {
  const runId = `bench-${run}`;
  const executionArn = `arn:aws:states:us-east-1:000000000000:execution:bench:${runId}`;
  return {
    kind: "large",
    plan: bundleEntry("replication/plan-mirror"),
    batch: bundleEntry("replication/mirror-batch"),
    complete: bundleEntry("replication/complete-mirror"),
    input: { runId, executionArn, startedAt: new Date().toISOString(), sourceKey: objects[0]?.key, again: true },
  };
}

function environmentOf({ aws, oss }: FarEnds, caseName: CaseName): NodeJS.ProcessEnv {
  const { PATH, HOME } = process.env;
  const { outputs, keys } = aws;
  return {
    ...(PATH === undefined ? {} : { PATH }),
    ...(HOME === undefined ? {} : { HOME }),
    NODE_OPTIONS: nodeOptionsInLambda[caseName],
    AWS_ENDPOINT_URL: aws.url,
    AWS_REGION: aws.region,
    AWS_ACCESS_KEY_ID: keys.accessKeyId,
    AWS_SECRET_ACCESS_KEY: keys.accessKeySecret,
    OSS_SECRET_ID: ossSecretId,
    OSS_ENDPOINT: new URL(oss.url).host,
    OSS_PROTOCOL: "http",
    OSS_PATH_STYLE: "true",
    OSS_REGION: oss.region,
    OSS_BUCKET: ossBucket,
    OSS_ENCRYPTION: "AES256",
    MIRROR_MAPPINGS: JSON.stringify([{ from: "mysql/", to: "iotdb-backup/mysql/" }]),
    MIRROR_TABLE: outputs.MirrorTableName,
    JOBS_TABLE: outputs.JobsTableName,
    PART_LEDGER_TABLE: outputs.PartLedgerTableName,
    BACKUPS_BUCKET: outputs.BackupsBucketName,
    WORK_BUCKET: outputs.WorkBucketName,
    EVENT_BUS_NAME: outputs.EventBusName,
    SIGNING_KEY_ID: outputs.ReceiptSigningKeyAlias,
    MIRROR_QUEUE_URL: `${aws.url}/000000000000/bench`,
    MIRROR_STATE_MACHINE_ARN: "arn:aws:states:us-east-1:000000000000:stateMachine:bench",
    LARGE_OBJECT_BYTES: String(partBytes),
    MOST_RECEIVES: "8",
    KEYS_AT_ONCE: String(keysAtOnce),
    CONCURRENT_BATCHES: "1",
    SMALLEST_PART_BYTES: String(5 * 1024 ** 2),
    MOST_PARTS_AT_ONCE: String(partsAtOnce),
  };
}
