// `causeway verify` of the mirror's receipt: against the copy's receipt that it points to, against S3, and against OSS.
import { GetObjectCommand, HeadObjectCommand, type S3Client } from "@aws-sdk/client-s3";
import { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import OSS from "ali-oss";
import { crc64Xz } from "../lambdas/replication/checksums/crc64.ts";
import { createPartChecksums } from "../lambdas/replication/checksums/part-checksums.ts";
import { type MirrorReceipt, sha256Of, signedReceiptSchema } from "../lambdas/replication/receipt.ts";
import { aliyunCredentials } from "../lambdas/shared/aliyun-credentials.ts";
import { CausewayError, isErrorNamed, messageOf } from "../lambdas/shared/errors.ts";
import { type Check, compare } from "./receipt-check.ts";
import { readOssEndpoint } from "./stage-files.ts";

export interface MirrorVerifyOptions {
  readonly stage: string;
  /** OSS's stand-in on the same machine, in the place of what the stage's settings file says. */
  readonly ossEndpoint?: string | undefined;
  readonly readData: boolean;
}

const crcHeader = "x-oss-hash-crc64ecma";

export async function checkMirror(
  receipt: MirrorReceipt,
  s3: S3Client,
  options: MirrorVerifyOptions,
): Promise<Check[]> {
  return [
    ...(await checkCopyReceipt(receipt, s3)),
    ...(await checkS3(receipt, s3, options.readData)),
    ...(await checkOss(receipt, options)),
  ];
}

/** The two receipts are links of one chain: this one names the other by the SHA-256 of its file. */
async function checkCopyReceipt({ copy, source }: MirrorReceipt, s3: S3Client): Promise<Check[]> {
  const what = "the copy's receipt";
  let text: string;
  try {
    const answer = await s3.send(new GetObjectCommand({ Bucket: source.bucket, Key: copy.receiptKey }));
    text = (await answer.Body?.transformToString()) ?? "";
  } catch (error) {
    if (!isErrorNamed(error, "NoSuchKey")) throw error;
    return [{ what, outcome: "different", detail: `${copy.receiptKey} is gone` }];
  }
  const parsed = signedReceiptSchema.safeParse(JSON.parse(text));
  return [
    compare(`${what}, SHA-256`, copy.receiptSha256, sha256Of(text)),
    compare(`${what}, CRC-64/XZ`, copy.crc64, parsed.data?.receipt.proof.crc64),
  ];
}

async function checkS3({ source, proof }: MirrorReceipt, s3: S3Client, readData: boolean): Promise<Check[]> {
  const version = {
    Bucket: source.bucket,
    Key: source.key,
    ...(source.versionId === null ? {} : { VersionId: source.versionId }),
  };
  try {
    const head = await s3.send(new HeadObjectCommand({ ...version, ChecksumMode: "ENABLED" }));
    const checks = [
      compare("S3 size", source.sizeBytes, head.ContentLength),
      compare("S3 ETag", source.etag, head.ETag),
      compare("S3 checksum CRC64NVME", source.checksum, head.ChecksumCRC64NVME),
    ];
    if (!readData) return checks;
    const { Body } = await s3.send(new GetObjectCommand(version));
    return [...checks, compare("S3's bytes, read now, CRC-64/XZ", proof.crc64, await crc64Of(Body as Bytes))];
  } catch (error) {
    if (!isErrorNamed(error, "NotFound", "NoSuchVersion", "NoSuchKey")) throw error;
    return [{ what: "S3 object", outcome: "different", detail: `s3://${source.bucket}/${source.key} is gone` }];
  }
}

async function checkOss({ target, proof }: MirrorReceipt, options: MirrorVerifyOptions): Promise<Check[]> {
  const what = "OSS";
  let client: OSS;
  try {
    client = await connectOss(target, options);
  } catch (error) {
    if (!(error instanceof CausewayError)) throw error;
    return [{ what, outcome: "unknown", detail: `${error.name}: ${error.message}` }];
  }
  try {
    const { res } = await client.head(target.key);
    const headers = res.headers as Readonly<Record<string, string | undefined>>;
    const checks = [
      compare("OSS size", target.sizeBytes, Number(headers["content-length"])),
      compare("OSS ETag", target.etag, headers.etag),
      compare("OSS CRC-64", target.crc64, headers[crcHeader]),
    ];
    if (!options.readData) return checks;
    const { stream } = await client.getStream(target.key);
    return [...checks, compare("OSS's bytes, read now, CRC-64/XZ", proof.crc64, await crc64Of(stream as Bytes))];
  } catch (error) {
    const where = `oss://${target.bucket}/${target.key}`;
    if ((error as { status?: unknown }).status === 404)
      return [{ what, outcome: "different", detail: `${where} is gone` }];
    return [{ what, outcome: "unknown", detail: `${where} could not be read: ${messageOf(error)}` }];
  }
}

async function connectOss(
  { region, bucket }: MirrorReceipt["target"],
  { stage, ossEndpoint }: MirrorVerifyOptions,
): Promise<OSS> {
  const secret = aliyunCredentials(new SecretsManagerClient({}), `/${stage}/replication/aliyun-oss`);
  const { accessKeyId, accessKeySecret, securityToken } = await secret.read();
  const endpoint = ossEndpoint === undefined ? `https://${readOssEndpoint(stage)}` : `http://${ossEndpoint}`;
  const options = {
    ...{ accessKeyId, accessKeySecret, region, bucket, endpoint, authorizationV4: true },
    ...(securityToken !== undefined && { stsToken: securityToken }),
    // The bucket in the path: a stand-in has no name of its own for each. Missing in the published types.
    ...(ossEndpoint !== undefined && { sldEnable: true }),
  };
  return new OSS(options);
}

type Bytes = AsyncIterable<Buffer>;

async function crc64Of(stream: Bytes): Promise<string> {
  const sums = createPartChecksums();
  for await (const chunk of stream) sums.update(chunk);
  return crc64Xz.format(sums.digest().crc64Xz);
}
