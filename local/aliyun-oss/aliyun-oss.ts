// Aliyun OSS on loopback, on a port of its own: buckets, objects and uploads that survive a restart, keys and tokens.
import { mkdirSync } from "node:fs";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { listen } from "../gateway/gateway.ts";
import type { Clock } from "../rig/clock.ts";
import type { Faults } from "../rig/faults.ts";
import { BodyFiles } from "../s3/body-files.ts";
import { AccessKeys, type OssCredentials, type TemporaryCredentials } from "./access-keys.ts";
import { ensureBucket } from "./bucket-operations.ts";
import { openDatabase } from "./database.ts";
import { ObjectIndex } from "./object-index.ts";
import type { OssState } from "./oss-call.ts";
import { createOssServer, type OssRequestRecord } from "./oss-server.ts";
import type { RamStatement } from "./ram-policy.ts";
import { UploadIndex } from "./upload-index.ts";

export interface OssOptions {
  readonly clock: Clock;
  readonly faults: Faults;
  /** Made when missing: `index.sqlite`, and `bodies/` with one file for each object or part. */
  readonly stateDirectory: string;
  /** 0 or absent: any free one. */
  readonly port?: number;
  /** The owner's pair, which may do everything until it is limited. */
  readonly credentials: OssCredentials;
  /** `cn-hangzhou`: V4 signatures for another region are refused. Absent: any will do. */
  readonly region?: string;
  /** OSS's is 100 KiB, the default; tests of part limits set it lower. */
  readonly smallestPartBytes?: number;
  /** Called for an error that no operation raised on purpose. */
  readonly onDefect?: (error: unknown, operation: string) => void;
}

export interface OssStandIn {
  /** `127.0.0.1:PORT` */
  readonly endpoint: string;
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  /** The owner's pair. */
  readonly credentials: OssCredentials;
  /** The last requests (at most 10,000), oldest first. */
  readonly requests: readonly OssRequestRecord[];
  /** Leaves an existing one alone. Throws for a name that OSS does not take. */
  ensureBucket(name: string): void;
  buckets(): string[];
  /** Another lasting pair; without statements it may do everything. */
  issueKey(statements?: readonly RamStatement[]): OssCredentials;
  /** A temporary pair with its token, as STS hands it out; an hour unless told otherwise, in cloud time. */
  issueToken(options?: {
    readonly seconds?: number;
    readonly statements?: readonly RamStatement[];
  }): TemporaryCredentials;
  /** From now on the key may do what these RAM statements allow. Throws for what is not understood. */
  limitKey(accessKeyId: string, statements: readonly RamStatement[]): void;
  /** Rotation of the owner's pair: from now on only the new one is known. */
  setCredentials(credentials: OssCredentials): void;
  close(): Promise<void>;
}

const ossSmallestPartBytes = 100 * 1024;
const mostRequestsKept = 10_000;
/** Where buckets say they lie when no region is given. */
const standardRegion = "cn-hangzhou";

/** Listens on 127.0.0.1 only. Throws a sentence when the port is taken or another process has the state open. */
export async function startOss(options: OssOptions): Promise<OssStandIn> {
  const { clock, faults, stateDirectory, region } = options;
  mkdirSync(stateDirectory, { recursive: true });
  const database = openDatabase(stateDirectory);
  let endpoint = "";
  const state: OssState = {
    clock,
    database,
    index: new ObjectIndex(database),
    uploads: new UploadIndex(database),
    bodies: new BodyFiles(path.join(stateDirectory, "bodies")),
    smallestPartBytes: options.smallestPartBytes ?? ossSmallestPartBytes,
    location: `oss-${region ?? standardRegion}`,
    endpoint: () => endpoint,
  };
  state.bodies.sweep(state.index.namedFiles());
  const keys = new AccessKeys(database, clock, options.credentials);
  const requests: OssRequestRecord[] = [];
  let closing = false;
  const server = createOssServer({
    state,
    keys,
    faults,
    region,
    onRequest: (request) => {
      requests.push(request);
      if (requests.length > mostRequestsKept) requests.shift();
    },
    // An operation whose database is closed under its feet is no defect.
    onDefect: (error, operation) => closing || options.onDefect?.(error, operation),
  });
  try {
    await listen(server, options.port ?? 0);
  } catch (error) {
    database.close();
    throw error;
  }
  endpoint = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    endpoint,
    url: `http://${endpoint}`,
    get credentials() {
      return keys.owner;
    },
    requests,
    ensureBucket: (name) => ensureBucket(state, name),
    buckets: () => state.index.bucketNames(),
    issueKey: (statements) => keys.issueKey(statements),
    issueToken: (token) => keys.issueToken(token),
    limitKey: (accessKeyId, statements) => keys.limit(accessKeyId, statements),
    setCredentials: (credentials) => keys.setOwner(credentials),
    async close() {
      closing = true;
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
      await state.bodies.settle();
      database.close();
    },
  };
}
