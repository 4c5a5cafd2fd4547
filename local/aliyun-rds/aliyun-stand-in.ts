// Aliyun RDS on loopback: the RPC endpoint and the download server, each on a port of its own, outside the AWS gateway.
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import type http from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { listen } from "../gateway/gateway.ts";
import type { Clock } from "../rig/clock.ts";
import type { Faults } from "../rig/faults.ts";
import type { AliyunCredentials } from "./acs3-signature.ts";
import type { BackupContent } from "./backup-body.ts";
import { type Backup, Catalogue, type NewBackup, type NewInstance } from "./catalogue.ts";
import { ChecksumCache } from "./checksum-cache.ts";
import { describeBackups, describeDetachedBackups, type LinkMaker } from "./describe-backups.ts";
import { describeInstances } from "./describe-instances.ts";
import { createDownloadServer, type Download } from "./download-server.ts";
import { escapedPath, type LinkKey, signedQuery } from "./oss-links.ts";
import { createRpcServer } from "./rpc-server.ts";

export interface AliyunOptions {
  readonly clock: Clock;
  readonly faults: Faults;
  /** Made when missing. Keeps checksums of files, and the key that signs links, across restarts. */
  readonly stateDirectory: string;
  /** RPC port; 0 or absent: any free one. */
  readonly port?: number;
  readonly downloadPort?: number;
  readonly credentials: readonly AliyunCredentials[];
  /** How long a link works, in cloud time. Default 3600. */
  readonly linkSeconds?: number;
  /** Slows every download down, for sources far away. Backups may have their own values. */
  readonly bytesPerSecondPerConnection?: number;
  readonly latencyMilliseconds?: number;
}

export interface AliyunStandIn {
  /** `127.0.0.1:PORT`, as the official client wants it: without a scheme, with protocol "http". */
  readonly rpcEndpoint: string;
  /** `http://127.0.0.1:PORT`, where the links point to. */
  readonly downloadUrl: string;
  readonly clock: Clock;
  /** The last requests to the download server (at most 10,000). */
  readonly downloads: readonly Download[];
  /** Throws when it exists already. */
  addInstance(instance: NewInstance): void;
  /** Leaves an instance alone that exists already. */
  ensureInstance(instance: NewInstance): void;
  /** Resolves once size and listed checksum are known. Throws a sentence on an unusable file or a double id. */
  addBackup(backup: NewBackup): Promise<Backup>;
  /** The backup as it is now; undefined when it is not there. */
  backup(backupId: string): Backup | undefined;
  /** Swaps bytes, size, ETag and sums behind the same id and link. */
  replaceBackup(backupId: string, content: BackupContent): Promise<Backup>;
  removeBackup(backupId: string): void;
  /** A fresh internet link, as DescribeBackups would give it. */
  linkTo(backupId: string): string;
  /** Key rotation: from now on only these are known. */
  setCredentials(credentials: readonly AliyunCredentials[]): void;
  close(): Promise<void>;
}

const bucket = "rdsbak-local";
/** Where intranet links point: a name that can never resolve, because those links do not work outside Aliyun. */
const intranetHost = `${bucket}.oss-cn-hangzhou-internal.invalid`;
const defaultLinkSeconds = 3600;
const mostDownloadsKept = 10_000;

/** Both servers listen on 127.0.0.1 only. Throws a sentence when a port is taken. */
export async function startAliyun(options: AliyunOptions): Promise<AliyunStandIn> {
  const { clock, faults, stateDirectory } = options;
  mkdirSync(stateDirectory, { recursive: true });
  const catalogue = new Catalogue(new ChecksumCache(stateDirectory), clock);
  const linkKey = readLinkKey(stateDirectory);
  const downloads: Download[] = [];
  const downloadServer = createDownloadServer({
    ...options,
    catalogue,
    bucket,
    linkKey,
    onDownload: (download) => {
      downloads.push(download);
      if (downloads.length > mostDownloadsKept) downloads.shift();
    },
  });
  const downloadPort = await listenOn(downloadServer, options.downloadPort);
  const linkTo: LinkMaker = (objectKey, network) => {
    const expires = Math.floor(clock.now() / 1000) + (options.linkSeconds ?? defaultLinkSeconds);
    const host = network === "internet" ? `127.0.0.1:${downloadPort}` : intranetHost;
    return `http://${host}/${escapedPath(objectKey)}?${signedQuery({ bucket, objectKey }, expires, linkKey)}`;
  };
  let credentials = options.credentials;
  const rpcServer = createRpcServer({
    clock,
    faults,
    credentials: () => credentials,
    operations: {
      DescribeBackups: (parameters) => describeBackups(parameters, catalogue, linkTo),
      DescribeDetachedBackups: (parameters) => describeDetachedBackups(parameters, catalogue, linkTo),
      DescribeDBInstances: (parameters) => describeInstances(parameters, catalogue),
    },
  });
  let rpcPort: number;
  try {
    rpcPort = await listenOn(rpcServer, options.port);
  } catch (error) {
    await closeServer(downloadServer);
    throw error;
  }
  return {
    rpcEndpoint: `127.0.0.1:${rpcPort}`,
    downloadUrl: `http://127.0.0.1:${downloadPort}`,
    clock,
    downloads,
    addInstance: (instance) => void catalogue.addInstance(instance),
    ensureInstance: (instance) => {
      if (!catalogue.instance(instance.instanceId)) catalogue.addInstance(instance);
    },
    addBackup: (backup) => catalogue.addBackup(backup),
    backup: (backupId) => catalogue.backup(backupId),
    replaceBackup: (backupId, content) => catalogue.replaceBackup(backupId, content),
    removeBackup: (backupId) => catalogue.removeBackup(backupId),
    linkTo: (backupId) => {
      const backup = catalogue.backup(backupId);
      if (!backup?.body) throw new Error(`Backup ${backupId} has nothing to download.`);
      return linkTo(backup.objectKey, "internet");
    },
    setCredentials: (next) => {
      credentials = next;
    },
    close: async () => {
      await Promise.all([closeServer(rpcServer), closeServer(downloadServer)]);
    },
  };
}

/** RDS signs links with its own key, never the caller's. Kept, so that links outlive a restart. */
function readLinkKey(stateDirectory: string): LinkKey {
  const file = path.join(stateDirectory, "link-key");
  if (!existsSync(file)) writeFileSync(file, randomBytes(20).toString("hex"), { mode: 0o600 });
  return { accessKeyId: "LTAIlocalrdsbackup", accessKeySecret: readFileSync(file, "utf8") };
}

async function listenOn(server: http.Server, port: number | undefined): Promise<number> {
  await listen(server, port ?? 0);
  return (server.address() as AddressInfo).port;
}

async function closeServer(server: http.Server): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeAllConnections();
  await closed;
}
