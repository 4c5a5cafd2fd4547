// A real gateway with nothing but S3 behind it, on a folder of its own, and the official client that talks to it.
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { S3Client, type S3ClientConfig } from "@aws-sdk/client-s3";
import { startGateway } from "../../../local/gateway/gateway.ts";
import type { CloudEvent } from "../../../local/gateway/ports.ts";
import type { Authorize, Principal } from "../../../local/gateway/service.ts";
import { Clock } from "../../../local/rig/clock.ts";
import { Faults } from "../../../local/rig/faults.ts";
import { type BucketSettings, createS3Service, type S3Options } from "../../../local/s3/s3-service.ts";

export const operator: Principal = {
  arn: "arn:aws:iam::000000000000:user/operator",
  accessKeyId: "AKIAOPERATOR",
  secretAccessKey: "operator-secret",
};

export const accountId = "000000000000";
export const plainBucket: BucketSettings = { name: "plain", versioned: false, eventBridge: true };
export const versionedBucket: BucketSettings = { name: "versioned", versioned: true, eventBridge: true };

export interface S3Rig extends AsyncDisposable {
  readonly client: S3Client;
  readonly url: string;
  readonly clock: Clock;
  readonly faults: Faults;
  readonly events: CloudEvent[];
  /** Errors that the local cloud did not raise on purpose. */
  readonly defects: unknown[];
  readonly stateDirectory: string;
  createBucket(settings: BucketSettings): void;
  newClient(config?: S3ClientConfig): S3Client;
  /** Names of the files that hold bodies. */
  bodyFiles(): string[];
}

export interface S3RigOptions extends Omit<S3Options, "events"> {
  readonly authorize?: Authorize;
  /** Kept at the end; absent: a new one, which goes. */
  readonly stateDirectory?: string;
  readonly port?: number;
}

export async function startS3Rig(options: S3RigOptions = {}): Promise<S3Rig> {
  const stateDirectory = options.stateDirectory ?? mkdtempSync(join(tmpdir(), "causeway-s3-"));
  const clock = new Clock();
  const faults = new Faults();
  const events: CloudEvent[] = [];
  const defects: unknown[] = [];
  const service = createS3Service(
    {
      clock,
      faults,
      authorize: options.authorize ?? (() => undefined),
      region: "eu-central-1",
      accountId,
      stateDirectory,
    },
    {
      events: { publish: (event) => void events.push(event) },
      ...(options.smallestPartBytes === undefined ? {} : { smallestPartBytes: options.smallestPartBytes }),
    },
  );
  service.createBucket(plainBucket);
  service.createBucket(versionedBucket);
  const gateway = await startGateway({
    services: [service],
    principalOf: (accessKeyId) => (accessKeyId === operator.accessKeyId ? operator : undefined),
    clock,
    faults,
    onDefect: (error) => void defects.push(error),
    ...(options.port === undefined ? {} : { port: options.port }),
  });
  const clients: S3Client[] = [];
  const newClient = (config: S3ClientConfig = {}): S3Client => {
    const client = new S3Client({
      endpoint: gateway.url,
      region: "eu-central-1",
      credentials: operator,
      maxAttempts: 1,
      ...config,
    });
    clients.push(client);
    return client;
  };
  return {
    client: newClient(),
    url: gateway.url,
    clock,
    faults,
    events,
    defects,
    stateDirectory,
    createBucket: (settings) => service.createBucket(settings),
    newClient,
    bodyFiles: () => readdirSync(join(stateDirectory, "bodies")),
    async [Symbol.asyncDispose]() {
      for (const client of clients) client.destroy();
      await gateway.close();
      clock.close();
      if (options.stateDirectory === undefined) rmSync(stateDirectory, { recursive: true, force: true });
    },
  };
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

/** The error's name in the API and its HTTP status; fails when the call succeeds. */
export async function refusal(call: Promise<unknown>): Promise<{ code: string; status: number; message: string }> {
  try {
    await call;
  } catch (error) {
    const { name, message, $metadata } = error as {
      name: string;
      message: string;
      $metadata?: { httpStatusCode?: number };
    };
    return { code: name, status: $metadata?.httpStatusCode ?? 0, message };
  }
  throw new Error("the call was expected to fail, and succeeded");
}
