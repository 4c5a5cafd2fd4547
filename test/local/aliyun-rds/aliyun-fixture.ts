// A stand-in of Aliyun RDS in a folder of its own, and the official client pointed at it.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { $OpenApiUtil } from "@alicloud/openapi-core";
import * as rds from "@alicloud/rds20140815";
import { type AliyunOptions, type AliyunStandIn, startAliyun } from "../../../local/aliyun-rds/aliyun-stand-in.ts";
import { Clock, type ClockOptions } from "../../../local/rig/clock.ts";
import { Faults } from "../../../local/rig/faults.ts";

// The package is CommonJS with an `exports.default`. Node's default import is the whole `module.exports`; vitest and
// some bundlers unwrap it. This line is right under all of them.
const exported: typeof rds.default | typeof rds.default.default = rds.default;
const RdsClient = "default" in exported ? exported.default : exported;
export type RdsClient = InstanceType<typeof RdsClient>;

export const accessKey = { accessKeyId: "LTAItestkey", accessKeySecret: "test-secret" };

export interface AliyunFixture extends AsyncDisposable {
  readonly aliyun: AliyunStandIn;
  readonly clock: Clock;
  readonly faults: Faults;
  readonly directory: string;
  client(config?: ConstructorParameters<typeof $OpenApiUtil.Config>[0]): RdsClient;
}

export async function aliyunFixture(
  options: Partial<AliyunOptions> = {},
  clockOptions: ClockOptions = {},
): Promise<AliyunFixture> {
  const directory = mkdtempSync(path.join(tmpdir(), "aliyun-"));
  const clock = new Clock(clockOptions);
  const faults = new Faults();
  const stateDirectory = path.join(directory, "state");
  const aliyun = await startAliyun({ clock, faults, stateDirectory, credentials: [accessKey], ...options });
  return {
    aliyun,
    clock,
    faults,
    directory,
    client: (config = {}) =>
      new RdsClient(
        new $OpenApiUtil.Config({ ...accessKey, endpoint: aliyun.rpcEndpoint, protocol: "http", ...config }),
      ),
    async [Symbol.asyncDispose]() {
      await aliyun.close();
      clock.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** What a rejected call was rejected with; fails when it was not. */
export async function rejectionOf(
  call: Promise<unknown>,
): Promise<{ name: string; code: unknown; status: unknown; message: string }> {
  try {
    await call;
  } catch (error) {
    const { name, message, code, statusCode } = error as Error & { code?: unknown; statusCode?: unknown };
    return { name, message, code, status: statusCode };
  }
  throw new Error("the call went through");
}
