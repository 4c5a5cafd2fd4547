// Where each source of the registry is tested: what stands in for the vendor. An adapter without a stage fails the suite.
import { PutObjectCommand } from "@aws-sdk/client-s3";
import { vi } from "vitest";
import { s3AddressOf } from "../../../../lambdas/replication/s3-address.ts";
import type { RangedSource } from "../../../../lambdas/replication/sources/source.ts";
import type { BackupContent } from "../../../../local/aliyun-rds/backup-body.ts";
import type { Download } from "../../../../local/aliyun-rds/download-server.ts";
import type { Faults } from "../../../../local/rig/faults.ts";
import { aliyunFixture } from "../../../local/aliyun-rds/aliyun-fixture.ts";
import { addSource } from "../../../local/aliyun-rds/download-fixture.ts";
import { plainBucket, startS3Rig } from "../../../local/s3/s3-rig.ts";
import { pointSdkAt } from "../point-sdk-at.ts";

export interface SourceStage extends AsyncDisposable {
  readonly source: RangedSource;
  readonly faults: Faults;
  /** The name of the download server in a fault rule. */
  readonly service: string;
  /** What was asked of the vendor so far, and how much of each answer left. */
  readonly requests: readonly Pick<Download, "range" | "status" | "bytesSent">[];
  /** Puts an object there and returns an address that works from now on. */
  put(content: BackupContent, options?: { readonly statesCrc?: boolean }): Promise<string>;
  /** Other bytes behind the same address. */
  replace(content: BackupContent): Promise<void>;
  /** Whatever was handed out so far is too old now. */
  expireAddresses(): void;
  /** The parts of an address that nobody may read in a message. */
  secretsOf(address: string): string[];
  /** Nobody answers any more. */
  shutDown(): Promise<void>;
}

/** What tells the sources apart, beside the vendor. */
export interface SourceTraits {
  /** It states the CRC-64/XZ of what it holds. */
  readonly statesCrc: boolean;
  /** Its addresses are signed links: they expire, and nobody may read them in a message. */
  readonly hasLinks: boolean;
}

export const sourceTraits: Readonly<Record<string, SourceTraits>> = {
  "aliyun-rds": { statesCrc: true, hasLinks: true },
  s3: { statesCrc: false, hasLinks: false },
};

export const sourceStages: Readonly<Record<string, (source: RangedSource) => Promise<SourceStage>>> = {
  "aliyun-rds": aliyunStage,
  s3: s3Stage,
};

const linkSeconds = 600;

async function aliyunStage(source: RangedSource): Promise<SourceStage> {
  const fixture = await aliyunFixture({ linkSeconds });
  const { aliyun, clock, faults } = fixture;
  let closed = false;
  const close = async () => {
    if (closed) return;
    closed = true;
    source.close();
    await fixture[Symbol.asyncDispose]();
  };
  return {
    source,
    faults,
    service: "aliyun-download",
    requests: aliyun.downloads,
    put: (content, options = {}) =>
      options.statesCrc === false
        ? addSource(fixture, content, { crcHeader: false, checksum: "empty" })
        : addSource(fixture, content),
    replace: async (content) => void (await aliyun.replaceBackup("1", content)),
    expireAddresses: () => clock.advance(linkSeconds * 1000),
    secretsOf: (address) => {
      const query = new URL(address).searchParams;
      return ["Signature", "OSSAccessKeyId"].flatMap((name) => {
        const value = query.get(name) ?? "";
        return [value, encodeURIComponent(value)];
      });
    },
    shutDown: close,
    [Symbol.asyncDispose]: close,
  };
}

async function s3Stage(source: RangedSource): Promise<SourceStage> {
  const rig = await startS3Rig();
  pointSdkAt(rig.url);
  const Bucket = plainBucket.name;
  const address = s3AddressOf({ bucket: Bucket, key: "mysql/a b+%.xb", versionId: null });
  const put = async (content: BackupContent) => {
    if (!("bytes" in content)) throw new Error("S3's stage takes bytes");
    await rig.client.send(new PutObjectCommand({ Bucket, Key: "mysql/a b+%.xb", Body: content.bytes }));
    return address;
  };
  let closed = false;
  const close = async () => {
    if (closed) return;
    closed = true;
    source.close();
    await rig[Symbol.asyncDispose]();
    vi.unstubAllEnvs();
  };
  return {
    source,
    faults: rig.faults,
    service: "s3",
    requests: [],
    put,
    replace: async (content) => void (await put(content)),
    expireAddresses: () => undefined,
    secretsOf: () => [],
    shutDown: close,
    [Symbol.asyncDispose]: close,
  };
}
