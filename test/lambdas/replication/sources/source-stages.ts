// Where each source of the registry is tested: what stands in for the vendor. An adapter without a stage fails the suite.
import type { RangedSource } from "../../../../lambdas/replication/sources/source.ts";
import type { BackupContent } from "../../../../local/aliyun-rds/backup-body.ts";
import type { Download } from "../../../../local/aliyun-rds/download-server.ts";
import type { Faults } from "../../../../local/rig/faults.ts";
import { aliyunFixture } from "../../../local/aliyun-rds/aliyun-fixture.ts";
import { addSource } from "../../../local/aliyun-rds/download-fixture.ts";

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

export const sourceStages: Readonly<Record<string, (source: RangedSource) => Promise<SourceStage>>> = {
  "aliyun-rds": aliyunStage,
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
