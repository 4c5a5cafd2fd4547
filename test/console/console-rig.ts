// The whole HTTP API on the local cloud, for one test file: real templates, front, authorizer, functions and issuer.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { CreateSecretCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { SFNClient } from "@aws-sdk/client-sfn";
import { DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";
import { AuditStore } from "../../lambdas/shared/audit.store.ts";
import { JobsStore } from "../../lambdas/shared/jobs.store.ts";
import type { Role } from "../../lambdas/shared/routes.ts";
import { bootCloud, type LocalCloud } from "../../local/cloud.ts";
import { Faults } from "../../local/rig/faults.ts";
import { auditSince } from "../lambdas/shared/audit-since.ts";
import { testAssembly } from "../test-assembly.ts";

export const metricsToken = "a-token-that-nobody-guesses";

export interface ApiCall {
  readonly method?: string;
  /** A role: a person of that group. Text with a dot: a token. Absent: nobody. */
  readonly as?: Role | string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Text goes as it is, anything else as JSON. */
  readonly body?: unknown;
}

export interface ApiAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly envelope: {
    readonly code: number;
    readonly message: string;
    readonly data: Readonly<Record<string, unknown>>;
  };
}

export class ConsoleRig {
  readonly cloud: LocalCloud;
  readonly faults: Faults;
  readonly documents: DynamoDBDocumentClient;
  readonly states: SFNClient;
  readonly jobs: JobsStore;
  readonly audit: AuditStore;
  readonly #folder: string;
  readonly #startedAt: number;

  private constructor(cloud: LocalCloud, faults: Faults, folder: string) {
    this.cloud = cloud;
    this.faults = faults;
    this.#folder = folder;
    this.#startedAt = cloud.clock.now();
    const config = cloud.clientConfig();
    this.documents = DynamoDBDocumentClient.from(new DynamoDBClient(config));
    this.states = new SFNClient(config);
    this.jobs = new JobsStore(this.documents, cloud.output("JobsTableName"));
    this.audit = new AuditStore(this.documents, cloud.output("AuditTableName"));
  }

  static async start(): Promise<ConsoleRig> {
    const folder = mkdtempSync(path.join(tmpdir(), "causeway-console-"));
    const faults = new Faults();
    const cloud = await bootCloud({ assemblyDirectory: testAssembly, stateDirectory: folder, faults, port: 0 });
    const secrets = new SecretsManagerClient(cloud.clientConfig());
    const texts = {
      "/local/replication/aliyun": JSON.stringify(cloud.aliyunCredentials),
      "/local/console/metrics-token": metricsToken,
    };
    for (const [Name, SecretString] of Object.entries(texts)) {
      await secrets.send(new CreateSecretCommand({ Name, SecretString }));
    }
    return new ConsoleRig(cloud, faults, folder);
  }

  /** The HTTP API, with its stage, no slash at the end. */
  get url(): string {
    return this.cloud.api.urlOf("HttpApi/Api");
  }

  /** `path` with its query, from the API's stage on: `/api/jobs?limit=1`. */
  async call(pathAndQuery: string, { method = "GET", as, headers = {}, body }: ApiCall = {}): Promise<ApiAnswer> {
    const token = as === undefined ? undefined : as.includes(".") ? as : await this.cloud.signIn.tokenFor(as);
    const isText = typeof body === "string";
    const answer = await fetch(this.url + pathAndQuery, {
      method,
      redirect: "manual",
      headers: {
        ...(token !== undefined && { Authorization: `Bearer ${token}` }),
        ...(body !== undefined && { "Content-Type": "application/json" }),
        ...headers,
      },
      ...(body !== undefined && { body: isText ? body : JSON.stringify(body) }),
    });
    const text = await answer.text();
    const isJson = text !== "" && answer.headers.get("content-type")?.startsWith("application/json") === true;
    return { status: answer.status, headers: answer.headers, text, envelope: isJson ? JSON.parse(text) : undefined };
  }

  /** The text of a new client key of the relay, made over the API. */
  async relayKey(name: string, policy: object = {}): Promise<{ readonly keyId: string; readonly key: string }> {
    const made = await this.call("/api/relay/keys", { method: "POST", as: "operator", body: { name, policy } });
    if (made.status !== 201) throw new Error(`no key was made: ${made.text}`);
    return made.envelope.data as { readonly keyId: string; readonly key: string };
  }

  /** Who changed what since the rig was started, newest first. */
  audited() {
    return auditSince(this.audit, this.#startedAt, this.cloud.clock.now());
  }

  async close(): Promise<void> {
    await this.cloud.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
