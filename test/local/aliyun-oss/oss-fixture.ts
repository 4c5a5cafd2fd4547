// OSS in a folder of its own, and the official client pointed at it.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import OSS from "ali-oss";
import type { OssCredentials } from "../../../local/aliyun-oss/access-keys.ts";
import { type OssOptions, type OssStandIn, startOss } from "../../../local/aliyun-oss/aliyun-oss.ts";
import { Clock, type ClockOptions } from "../../../local/rig/clock.ts";
import { Faults } from "../../../local/rig/faults.ts";

export const bucket = "acme-iotdb";
export const owner: OssCredentials = { accessKeyId: "LTAItestowner", accessKeySecret: "owner-secret" };

/** What the type declarations leave out. */
export interface ClientOptions extends Partial<OSS.Options> {
  readonly sldEnable?: boolean;
  readonly amendTimeSkewed?: number;
  readonly headerEncoding?: string;
  readonly agent?: unknown;
}

/** Its methods answer with fields that its type declarations do not have. */
export interface OssClient extends OSS {
  _uploadPart(
    name: string,
    uploadId: string,
    partNumber: number,
    data: { stream: NodeJS.ReadableStream; size: number },
    options?: object,
  ): Promise<{ etag: string; res: { headers: Record<string, string> } }>;
  getObjectMeta(name: string): Promise<{ res: unknown }>;
  signatureUrlV4(
    method: string,
    expires: number,
    request: { headers?: Record<string, string>; queries?: Record<string, string> } | undefined,
    name: string,
    additionalHeaders?: string[],
  ): Promise<string>;
}

export interface OssFixture extends AsyncDisposable {
  /** Another one after a restart. */
  readonly oss: OssStandIn;
  readonly clock: Clock;
  readonly faults: Faults;
  readonly stateDirectory: string;
  readonly defects: unknown[];
  /** Signs as the owner, version 4, path style, unless told otherwise. */
  client(options?: ClientOptions): OssClient;
  restart(): Promise<void>;
}

export async function ossFixture(
  options: Partial<OssOptions> = {},
  clockOptions: ClockOptions = {},
): Promise<OssFixture> {
  const stateDirectory = mkdtempSync(path.join(tmpdir(), "causeway-oss-"));
  const clock = new Clock(clockOptions);
  const faults = new Faults();
  const defects: unknown[] = [];
  const start = () =>
    startOss({
      clock,
      faults,
      stateDirectory,
      credentials: owner,
      onDefect: (error) => defects.push(error),
      ...options,
    });
  let oss = await start();
  oss.ensureBucket(bucket);
  return {
    get oss() {
      return oss;
    },
    clock,
    faults,
    stateDirectory,
    defects,
    client: (more = {}) =>
      new OSS({
        endpoint: oss.url,
        region: "oss-cn-hangzhou",
        bucket,
        ...owner,
        authorizationV4: true,
        ...({ sldEnable: true } as object),
        ...more,
      }) as OssClient,
    async restart() {
      await oss.close();
      oss = await start();
    },
    async [Symbol.asyncDispose]() {
      await oss.close();
      clock.close();
      rmSync(stateDirectory, { recursive: true, force: true });
    },
  };
}

/** What a rejected call was rejected with; fails when it was not. */
export async function rejectionOf(call: Promise<unknown>): Promise<{ code: string; status: number; message: string }> {
  try {
    await call;
  } catch (error) {
    const { code, status, message } = error as Error & { code: string; status: number };
    return { code, status, message };
  }
  throw new Error("the call went through");
}

/** The headers of an answer, which ali-oss's types call `object`. */
export function headersOf(answer: { res: unknown }): Record<string, string> {
  return (answer.res as { headers: Record<string, string> }).headers;
}

/** Bytes that repeat nowhere near, the same for the same seed. */
export function someBytes(length: number, seed = 1): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  let state = seed >>> 0 || 1;
  for (let offset = 0; offset < length; offset += 1) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[offset] = state >>> 24;
  }
  return bytes;
}
