// `causeway verify`: a receipt against its signature, against S3, and against Aliyun, by headers alone or by every byte.
// That of the mirror, which says what is in OSS, is held against the rest in verify-mirror-receipt.ts.
import { createPublicKey, verify as verifySignature } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { GetPublicKeyCommand, type GetPublicKeyCommandOutput, KMSClient } from "@aws-sdk/client-kms";
import { GetObjectCommand, HeadObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { crc64Nvme, crc64Xz } from "../lambdas/replication/checksums/crc64.ts";
import { createPartChecksums, type PartChecksums } from "../lambdas/replication/checksums/part-checksums.ts";
import type { LocatedBackup } from "../lambdas/replication/inventories/inventory.ts";
import {
  canonicalJson,
  mirrorReceiptFormat,
  type Receipt,
  receiptDigest,
  type SignedReceipt,
  signedMirrorReceiptSchema,
  signedReceiptSchema,
} from "../lambdas/replication/receipt.ts";
import { sources } from "../lambdas/replication/sources/index.ts";
import { CausewayError, messageOf } from "../lambdas/shared/errors.ts";
import { type Check, compare } from "./receipt-check.ts";
import type { AliyunSettings } from "./stage-files.ts";
import { UsageProblem } from "./usage-problem.ts";

export interface VerifyTarget {
  readonly stage: string;
  /** In the place of what the stage's settings file says. */
  readonly aliyun?: AliyunSettings;
}

export interface VerifyOptions extends VerifyTarget {
  readonly readData: boolean;
}

export interface Verdict {
  readonly holds: boolean;
  readonly checks: readonly Check[];
  readonly lines: readonly string[];
}

const largestReceiptBytes = 1024 * 1024;

/** Holds when nothing differs; what could not be looked at is named and does not count as a difference. */
export async function verifyReceipt(receiptAt: string, options: VerifyOptions): Promise<Verdict> {
  // The bytes are summed here: the client is not to stop at the first look, but to let the difference be named.
  const s3 = new S3Client({ responseChecksumValidation: "WHEN_REQUIRED" });
  const document = await readReceipt(receiptAt, s3);
  if (isOfMirror(document)) return verifyMirrorReceipt(document, s3, options);
  const { receipt } = document;
  const checks = [
    await checkSignature(document, options.stage),
    ...(await checkTarget(receipt, s3)),
    ...(await checkSource(receipt, options)),
  ];
  if (options.readData) checks.push(await checkTargetBytes(receipt, s3));
  const title = `${receipt.copyId}  ${receipt.source.fileName}  ${receipt.target.sizeBytes} bytes`;
  return verdictOf(title, checks, conclusion(receipt, checks));
}

/** `conclusion`: if nothing differs. */
function verdictOf(title: string, checks: readonly Check[], conclusion: string): Verdict {
  const differing = checks.filter((check) => check.outcome === "different").map((check) => check.what);
  const marks = { equal: "ok  ", different: "DIFF", unknown: "?   " } as const;
  const lines = [
    title,
    ...checks.map((check) => `  ${marks[check.outcome]} ${check.what}: ${check.detail}`),
    differing.length > 0 ? `The receipt does NOT hold: see ${differing.join(", ")}.` : conclusion,
  ];
  return { holds: differing.length === 0, checks, lines };
}

async function verifyMirrorReceipt(
  document: SignedMirrorReceipt,
  s3: S3Client,
  { stage, aliyun, readData }: VerifyOptions,
): Promise<Verdict> {
  // Aliyun's SDK is slow to load: not before it is needed.
  const { checkMirror } = await import("./verify-mirror-receipt.ts");
  const { receipt } = document;
  const checks = [
    await checkSignature(document, stage),
    ...(await checkMirror(receipt, s3, { stage, readData, ossEndpoint: aliyun?.ossEndpoint })),
  ];
  const title = `${receipt.copy.copyId}  oss://${receipt.target.bucket}/${receipt.target.key}  ${receipt.target.sizeBytes} bytes`;
  const ossIsUnknown = checks.some((check) => check.what === "OSS" && check.outcome === "unknown");
  const holds = ossIsUnknown
    ? "The receipt holds as far as S3 goes; OSS could not be looked at."
    : "The receipt holds. Verify the copy's receipt as well, and the chain is whole: Aliyun RDS = S3 = OSS.";
  return verdictOf(title, checks, `${holds} ${receipt.proof.sentence}`);
}

function conclusion(receipt: Receipt, checks: readonly Check[]): string {
  const proof = `Proof when it was written: ${receipt.proof.class}. ${receipt.proof.sentence}`;
  const sourceIsGone = checks.some((check) => check.what === sourceCheck && check.outcome === "unknown");
  return sourceIsGone
    ? `The receipt holds as far as S3 goes; Aliyun's side could not be looked at. ${proof}`
    : `The receipt holds. ${proof}`;
}

type SignedMirrorReceipt = ReturnType<typeof signedMirrorReceiptSchema.parse>;

function isOfMirror(document: SignedReceipt | SignedMirrorReceipt): document is SignedMirrorReceipt {
  return document.receipt.format === mirrorReceiptFormat;
}

async function readReceipt(receiptAt: string, s3: S3Client): Promise<SignedReceipt | SignedMirrorReceipt> {
  const text = await readText(receiptAt, s3);
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw new UsageProblem(`${receiptAt} is not JSON.`, { cause: error });
  }
  const { receipt } = (parsed ?? {}) as { readonly receipt?: { readonly format?: unknown } };
  const isMirror = receipt?.format === mirrorReceiptFormat;
  const document = (isMirror ? signedMirrorReceiptSchema : signedReceiptSchema).safeParse(parsed);
  if (document.success) return document.data;
  const fields = document.error.issues.map((issue) => issue.path.join(".")).join(", ");
  throw new UsageProblem(`${receiptAt} is no receipt of a copy: ${fields || "the whole"} is not as it must be.`);
}

async function readText(receiptAt: string, s3: S3Client): Promise<string> {
  const inS3 = /^s3:\/\/([^/]+)\/(.+)$/.exec(receiptAt);
  if (!inS3) {
    return readReceiptFile(receiptAt);
  }
  const [, Bucket = "", Key = ""] = inS3;
  const answer = await s3.send(new GetObjectCommand({ Bucket, Key }));
  if ((answer.ContentLength ?? 0) > largestReceiptBytes)
    throw new UsageProblem(`${receiptAt} is too large for a receipt.`);
  return (await answer.Body?.transformToString()) ?? "";
}

function readReceiptFile(file: string): string {
  let bytes: number;
  try {
    const found = statSync(file);
    bytes = found.isFile() ? found.size : Number.NaN;
    if (bytes <= largestReceiptBytes) return readFileSync(file, "utf8");
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === "ENOENT";
    const why = missing ? `There is no file ${file}.` : `${file} cannot be read: ${messageOf(error)}.`;
    throw new UsageProblem(`${why} A receipt is a file, or s3://bucket/receipts/…/copy.json.`, { cause: error });
  }
  throw new UsageProblem(Number.isNaN(bytes) ? `${file} is not a file.` : `${file} is too large for a receipt.`);
}

/**
 * Checked here with the public half of the stage's key: KMS is asked for nothing else. The key is the stage's, whatever
 * the receipt names: anybody can sign with a key of his own.
 */
async function checkSignature(
  { receipt, signature }: SignedReceipt | SignedMirrorReceipt,
  stage: string,
): Promise<Check> {
  const digest = receiptDigest(receipt);
  const what = "signature";
  if (digest.toString("hex") !== signature.sha256) {
    return { what, outcome: "different", detail: "the receipt's text is not the one that was signed" };
  }
  const answer = await publicKeyOf(stage);
  if (answer.KeyId !== signature.keyId) {
    const detail = `made by ${signature.keyId}, but the key of stage ${stage} is ${answer.KeyId}`;
    return { what, outcome: "different", detail };
  }
  const key = createPublicKey({ key: Buffer.from(answer.PublicKey ?? []), format: "der", type: "spki" });
  const good = verifySignature(
    "sha256",
    Buffer.from(canonicalJson(receipt)),
    key,
    Buffer.from(signature.value, "base64"),
  );
  return good
    ? { what, outcome: "equal", detail: `by ${signature.keyId}` }
    : { what, outcome: "different", detail: `not made by ${signature.keyId}` };
}

async function publicKeyOf(stage: string): Promise<GetPublicKeyCommandOutput> {
  const alias = `alias/causeway-${stage}/receipts`;
  try {
    return await new KMSClient({}).send(new GetPublicKeyCommand({ KeyId: alias }));
  } catch (error) {
    if (!(error instanceof Error && error.name === "NotFoundException")) throw error;
    throw new UsageProblem(
      `This AWS account has no key ${alias} in this region: is it the stage's account (AWS_PROFILE), the right AWS_REGION and --stage?`,
      { cause: error },
    );
  }
}

async function checkTarget(receipt: Receipt, s3: S3Client): Promise<Check[]> {
  const { target } = receipt;
  const where = `s3://${target.bucket}/${target.key}`;
  try {
    const head = await s3.send(
      new HeadObjectCommand({
        Bucket: target.bucket,
        Key: target.key,
        ...(target.versionId === null ? {} : { VersionId: target.versionId }),
        ChecksumMode: "ENABLED",
      }),
    );
    return [
      compare("S3 size", target.sizeBytes, head.ContentLength),
      compare("S3 ETag", target.etag, head.ETag),
      compare("S3 checksum CRC64NVME", target.checksum, head.ChecksumCRC64NVME),
      await checkCurrentVersion(receipt, s3),
    ];
  } catch (error) {
    if (error instanceof Error && (error.name === "NotFound" || error.name === "NoSuchVersion")) {
      return [{ what: "S3 object", outcome: "different", detail: `${where} is gone` }];
    }
    throw error;
  }
}

/** The bytes of the receipt's version are there; whoever reads the key without naming a version must get them, too. */
async function checkCurrentVersion({ target }: Receipt, s3: S3Client): Promise<Check> {
  const what = "S3 current version";
  try {
    const head = await s3.send(new HeadObjectCommand({ Bucket: target.bucket, Key: target.key }));
    return compare(what, target.versionId, head.VersionId);
  } catch (error) {
    if (!(error instanceof Error && error.name === "NotFound")) throw error;
    return { what, outcome: "different", detail: `deleted; version ${target.versionId} is still there` };
  }
}

const sourceCheck = "Aliyun";

async function checkSource(receipt: Receipt, options: VerifyOptions): Promise<Check[]> {
  const { source } = receipt;
  let located: LocatedBackup;
  try {
    // Aliyun's SDK is slow to load: not before it is needed.
    const { connectInventory } = await import("./connect-inventory.ts");
    const inventory = connectInventory(options.stage, options.aliyun);
    located = await inventory.locate(source);
  } catch (error) {
    // Aliyun deletes backups after their retention: the copy outlives them, and that is its purpose.
    const detail = error instanceof CausewayError ? `${error.name}: ${error.message}` : messageOf(error);
    return [{ what: sourceCheck, outcome: "unknown", detail }];
  }
  const reader = sources["aliyun-rds"]();
  try {
    const facts = await reader.probe(located.address);
    const checks = [
      compare("Aliyun size", source.sizeBytes, facts.sizeBytes),
      compare("Aliyun ETag", source.etag, facts.etag),
      compare("Aliyun CRC-64 of the file", source.headerCrc64, facts.crc64),
      compare("Aliyun CRC-64 in the backup list", source.inventoryCrc64, located.backup.crc64),
    ];
    if (!options.readData) return checks;
    const range = { first: 0, last: facts.sizeBytes - 1 };
    const stream = await reader.open(located.address, range, facts, new AbortController().signal);
    const sums = await sumOf(stream as AsyncIterable<Buffer>);
    return [
      ...checks,
      compare("Aliyun's bytes, read now, CRC-64/XZ", receipt.proof.crc64, crc64Xz.format(sums.crc64Xz)),
    ];
  } finally {
    reader.close();
  }
}

async function checkTargetBytes(receipt: Receipt, s3: S3Client): Promise<Check> {
  const { target } = receipt;
  const answer = await s3.send(
    new GetObjectCommand({
      Bucket: target.bucket,
      Key: target.key,
      ...(target.versionId === null ? {} : { VersionId: target.versionId }),
    }),
  );
  const sums = await sumOf(answer.Body as AsyncIterable<Buffer>);
  const text = `${sums.bytes} ${crc64Xz.format(sums.crc64Xz)} ${crc64Nvme.format(sums.crc64Nvme)}`;
  return compare("S3's bytes, read now", `${target.sizeBytes} ${receipt.proof.crc64} ${target.checksum}`, text);
}

async function sumOf(stream: AsyncIterable<Buffer>): Promise<PartChecksums> {
  const sums = createPartChecksums();
  for await (const chunk of stream) sums.update(chunk);
  return sums.digest();
}
