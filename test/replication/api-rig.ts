// Replication behind its HTTP API on the local cloud, for one test file: real front, authorizer, functions, workflows, stand-ins.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { CreateSecretCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import type { Role } from "../../lambdas/shared/routes.ts";
import type { Backup, NewBackup } from "../../local/aliyun-rds/catalogue.ts";
import { bootCloud, type LocalCloud } from "../../local/cloud.ts";
import { Clock } from "../../local/rig/clock.ts";
import { Faults } from "../../local/rig/faults.ts";
import { stopSchedules } from "../stop-schedules.ts";
import { testAssembly } from "../test-assembly.ts";

export const apiInstance = "rm-bp1api";

export interface ApiRequest {
  readonly method?: string;
  /** Default: operator. */
  readonly as?: Role;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface ApiResponse {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: what an answer holds is what the tests assert
  readonly data: any;
  readonly message: string;
}

/** What takes longer hangs. */
const longestWaitMilliseconds = 90_000;

export class ApiRig {
  readonly cloud: LocalCloud;
  readonly faults: Faults;
  readonly #folder: string;
  readonly #firstBackupAt: number;
  #backups = 0;

  private constructor(cloud: LocalCloud, faults: Faults, folder: string) {
    this.cloud = cloud;
    this.faults = faults;
    this.#folder = folder;
    this.#firstBackupAt = cloud.clock.now() - 3_600_000;
  }

  static async start({ assemblyDirectory = testAssembly, withSecrets = true } = {}): Promise<ApiRig> {
    const folder = mkdtempSync(path.join(tmpdir(), "causeway-api-"));
    const faults = new Faults(1);
    const cloud = await bootCloud({
      assemblyDirectory,
      stateDirectory: folder,
      faults,
      port: 0,
      smallestPartBytes: 65_536,
      clock: new Clock({ skipIdle: true }),
    });
    cloud.aliyun.ensureInstance({
      instanceId: apiInstance,
      engine: "MySQL",
      engineVersion: "8.0",
      description: "shop",
    });
    await stopSchedules(cloud);
    const rig = new ApiRig(cloud, faults, folder);
    if (!withSecrets) return rig;
    await rig.keepSecret("/local/replication/aliyun", cloud.aliyunCredentials);
    await rig.keepSecret("/local/replication/aliyun-oss", cloud.oss.credentials);
    return rig;
  }

  async keepSecret(Name: string, value: object): Promise<void> {
    const secrets = new SecretsManagerClient(this.cloud.clientConfig());
    await secrets.send(new CreateSecretCommand({ Name, SecretString: JSON.stringify(value) }));
  }

  /** A backup of seeded bytes, an hour old or somewhat more. */
  addBackup(backup: Partial<NewBackup> = {}): Promise<Backup> {
    this.#backups += 1;
    return this.cloud.aliyun.addBackup({
      instanceId: apiInstance,
      backupId: String(7_000_000 + this.#backups),
      // A second apart each, for the stand-in names files by the second.
      startedAt: this.#firstBackupAt - this.#backups * 1000,
      content: { seed: this.#backups, sizeBytes: 150_000 },
      ...backup,
    });
  }

  async call(pathAndQuery: string, request: ApiRequest = {}): Promise<ApiResponse> {
    const { method = "GET", as = "operator", body, headers = {} } = request;
    const answer = await fetch(this.cloud.api.urlOf("HttpApi/Api") + pathAndQuery, {
      method,
      headers: {
        Authorization: `Bearer ${await this.cloud.signIn.tokenFor(as)}`,
        ...(body !== undefined && { "Content-Type": "application/json" }),
        ...headers,
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    const { data, message } = JSON.parse(text) as { data: unknown; message: string };
    return { status: answer.status, headers: answer.headers, text, data, message };
  }

  post(pathAndQuery: string, body: unknown, headers: Readonly<Record<string, string>> = {}): Promise<ApiResponse> {
    return this.call(pathAndQuery, { method: "POST", body, headers });
  }

  /** Follows a job by its address until it has ended; its page of units with it. */
  async finished(location: string | null) {
    const until = Date.now() + longestWaitMilliseconds;
    const own = (location ?? "").replace(/^\/local/, "");
    for (;;) {
      const { status, data, text } = await this.call(own);
      if (status !== 200) throw new Error(`${own}: ${status} ${text}`);
      if (!["queued", "running"].includes(data.state)) return data;
      if (Date.now() > until) throw new Error(`${own} has not ended: ${text}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async close(): Promise<void> {
    await this.cloud.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
