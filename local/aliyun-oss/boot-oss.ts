// OSS as a part of the local cloud: its key pair, kept for ever, and the buckets that somebody has made in Aliyun.
import { Properties } from "../assembly/properties.ts";
import type { Resource } from "../assembly/resolve-assembly.ts";
import type { BootOptions } from "../boot-options.ts";
import { KeyStore } from "../iam/credentials.ts";
import { type OssOptions, type OssStandIn, startOss } from "./aliyun-oss.ts";

/** The environment variable by which a function knows its OSS bucket. */
const bucketVariable = "OSS_BUCKET";

/** `stateDirectory` exists already. Throws as startOss does. */
export function bootOss(
  options: BootOptions,
  surroundings: Pick<OssOptions, "clock" | "faults" | "stateDirectory" | "onDefect">,
): Promise<OssStandIn> {
  // Another pair than RDS's, as one would make for a mirror that may write to one bucket and no more.
  const keys = new KeyStore(surroundings.stateDirectory);
  const { accessKeyId, secretAccessKey } = keys.longLived("oss", "LTAI");
  keys.save();
  return startOss({
    ...surroundings,
    credentials: { accessKeyId, accessKeySecret: secretAccessKey },
    ...(options.ossPort === undefined ? {} : { port: options.ossPort }),
    ...(options.smallestPartBytes === undefined ? {} : { smallestPartBytes: options.smallestPartBytes }),
  });
}

/** Those of the options, and those that the functions of the templates are told about. */
export function ensureBuckets(oss: OssStandIn, options: BootOptions, resources: readonly Resource[]): void {
  const named = resources
    .filter(({ type }) => type === "AWS::Lambda::Function")
    .map((resource) => Properties.of(resource).object("Environment").object("Variables").optionalText(bucketVariable));
  for (const bucket of new Set([...(options.ossBuckets ?? []), ...named])) {
    if (bucket !== undefined) oss.ensureBucket(bucket);
  }
}
