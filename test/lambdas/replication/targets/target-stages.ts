// Where each target of the registry is tested: what stands in for the vendor. An adapter without a stage fails the suite.
import { GetObjectCommand, PutObjectCommand } from "@aws-sdk/client-s3";
import { vi } from "vitest";
import { crc64Nvme, crc64Xz } from "../../../../lambdas/replication/checksums/crc64.ts";
import { targets } from "../../../../lambdas/replication/targets/index.ts";
import type { MultipartTarget } from "../../../../lambdas/replication/targets/target.ts";
import { ServiceError } from "../../../../local/gateway/service.ts";
import type { Faults } from "../../../../local/rig/faults.ts";
import { headersOf, bucket as ossBucket, ossFixture, owner } from "../../../local/aliyun-oss/oss-fixture.ts";
import { plainBucket, startS3Rig } from "../../../local/s3/s3-rig.ts";
import { pointSdkAt } from "../point-sdk-at.ts";

export interface TargetStage extends AsyncDisposable {
  readonly target: MultipartTarget;
  /** What the vendor's `checksum` is of these bytes. */
  checksumOf(bytes: Buffer): string;
  /** Whether the vendor itself refuses a part with another checksum than was sent along. */
  readonly refusesDamagedParts: boolean;
  /** Whether it says inside an answer of 200 that a completion failed; only S3 does. */
  readonly saysErrorsIn200: boolean;
  readonly faults: Faults;
  /** The vendor's name in a fault rule, and those of its operations. */
  readonly service: string;
  readonly operations: Readonly<Record<"putPart" | "listParts" | "complete" | "describe" | "begin" | "abort", string>>;
  /** The bytes of an object. */
  read(key: string): Promise<Buffer>;
  /** Somebody else's object; returns its ETag. */
  putForeign(key: string, bytes: Buffer): Promise<string>;
  /** From now on the vendor denies everything. */
  denyEverything(): void;
  /** Errors in the stand-in itself. */
  readonly defects: readonly unknown[];
}

export const targetStages: Readonly<Record<string, () => Promise<TargetStage>>> = { s3: s3Stage, oss: ossStage };

function summing(algorithm: typeof crc64Nvme): (bytes: Buffer) => string {
  return (bytes) => {
    const running = algorithm.start();
    running.update(bytes);
    return algorithm.format(running.digest());
  };
}

async function ossStage(): Promise<TargetStage> {
  const fixture = await ossFixture({ smallestPartBytes: 1 });
  const client = fixture.client();
  const settings = {
    endpoint: fixture.oss.endpoint,
    protocol: "http",
    pathStyle: true,
    region: "oss-cn-hangzhou",
    bucket: ossBucket,
    encryption: "AES256",
  } as const;
  return {
    target: targets.oss.open(settings, { read: async () => owner, forget: () => undefined }, 1),
    checksumOf: summing(crc64Xz),
    refusesDamagedParts: false,
    saysErrorsIn200: false,
    faults: fixture.faults,
    service: "oss",
    operations: {
      begin: "InitiateMultipartUpload",
      putPart: "UploadPart",
      listParts: "ListParts",
      complete: "CompleteMultipartUpload",
      describe: "HeadObject",
      abort: "AbortMultipartUpload",
    },
    read: async (key) => (await client.get(key)).content as Buffer,
    putForeign: async (key, bytes) => headersOf(await client.put(key, bytes)).etag ?? "",
    denyEverything: () => fixture.oss.limitKey(owner.accessKeyId, []),
    defects: fixture.defects,
    [Symbol.asyncDispose]: () => fixture[Symbol.asyncDispose](),
  };
}

async function s3Stage(): Promise<TargetStage> {
  let denied = false;
  const rig = await startS3Rig({
    smallestPartBytes: 1,
    authorize: (_principal, action) => {
      if (denied) throw new ServiceError(403, "AccessDenied", `not authorized to perform ${action}`);
    },
  });
  pointSdkAt(rig.url);
  const bucket = plainBucket.name;
  return {
    target: targets.s3.open(bucket, 1),
    checksumOf: summing(crc64Nvme),
    refusesDamagedParts: true,
    saysErrorsIn200: true,
    faults: rig.faults,
    service: "s3",
    operations: {
      begin: "CreateMultipartUpload",
      putPart: "UploadPart",
      listParts: "ListParts",
      complete: "CompleteMultipartUpload",
      describe: "HeadObject",
      abort: "AbortMultipartUpload",
    },
    read: async (key) => {
      const answer = await rig.client.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
      return Buffer.from((await answer.Body?.transformToByteArray()) ?? []);
    },
    putForeign: async (key, bytes) => {
      const answer = await rig.client.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: bytes }));
      return answer.ETag ?? "";
    },
    denyEverything: () => {
      denied = true;
    },
    defects: rig.defects,
    async [Symbol.asyncDispose]() {
      await rig[Symbol.asyncDispose]();
      vi.unstubAllEnvs();
    },
  };
}
