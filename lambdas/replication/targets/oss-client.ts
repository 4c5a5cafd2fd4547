// ali-oss for one bucket: loaded at first use, with the key pair of the moment, and with its calls named and tried again.
import type { Readable } from "node:stream";
import type { AliyunCredentials, AliyunCredentialsSource } from "../../shared/aliyun-credentials.ts";
import { CausewayError } from "../../shared/errors.ts";
import { retry } from "../../shared/retry.ts";
import { isCredentialProblem, ossError } from "./oss-errors.ts";
import { type OssTransport, ossTransport } from "./oss-transport.ts";

export interface OssSettings {
  /** Host, optionally with a port, no scheme. */
  readonly endpoint: string;
  readonly protocol: "http" | "https";
  /** The bucket in the path instead of the host's name: for a stand-in. OSS itself refuses it. */
  readonly pathStyle: boolean;
  /** With its "oss-". */
  readonly region: string;
  readonly bucket: string;
  /** Server-side encryption of what is put: OSS's own keys, or its key service. */
  readonly encryption: "AES256" | "KMS";
}

interface Answered {
  readonly res: { readonly status: number; readonly headers: Readonly<Record<string, string | undefined>> };
}

interface CallOptions {
  readonly ctx?: { readonly signal?: AbortSignal };
  readonly headers?: Readonly<Record<string, string>>;
  readonly meta?: Readonly<Record<string, string>>;
  readonly contentLength?: number;
}

interface ListedPart {
  readonly PartNumber: string;
  readonly Size: string;
  readonly ETag: string;
  readonly HashCrc64ecma?: string;
}

/** The calls of ali-oss 6.23 that are made, as its code has them: its published types lack some and are wrong in others. */
export interface OssClient {
  put(name: string, content: Buffer, options: CallOptions): Promise<Answered>;
  putStream(name: string, body: Readable, options: CallOptions): Promise<Answered>;
  head(name: string): Promise<Answered & { readonly meta: Readonly<Record<string, string>> | null }>;
  delete(name: string): Promise<Answered>;
  initMultipartUpload(name: string, options: CallOptions): Promise<Answered & { readonly uploadId: string }>;
  /** `multipartUpload` takes no stream; this does. */
  _uploadPart(
    name: string,
    uploadId: string,
    partNumber: number,
    body: { stream: Readable; size: number },
    options: CallOptions,
  ): Promise<Answered & { readonly etag: string }>;
  listParts(
    name: string,
    uploadId: string,
    query: Readonly<Record<string, string | number>>,
  ): Promise<
    Answered & {
      /** One part alone comes without its array. */
      readonly parts: ListedPart | readonly ListedPart[];
      readonly isTruncated: string;
      readonly nextPartNumberMarker?: string;
    }
  >;
  listUploads(
    query: Readonly<Record<string, string | number>>,
  ): Promise<Answered & { readonly uploads: readonly { readonly name: string; readonly uploadId: string }[] }>;
  completeMultipartUpload(
    name: string,
    uploadId: string,
    parts: readonly { readonly number: number; readonly etag: string }[],
    options: CallOptions,
  ): Promise<Answered>;
  abortMultipartUpload(name: string, uploadId: string): Promise<Answered>;
  listV2(query: Record<string, string | number>): Promise<
    Answered & {
      readonly objects: readonly {
        readonly name: string;
        readonly etag: string;
        readonly size: number;
        readonly lastModified: string;
      }[];
      readonly prefixes: readonly string[] | null;
      readonly isTruncated: boolean;
      readonly nextContinuationToken: string | null;
    }
  >;
  get(name: string, options: CallOptions): Promise<Answered & { readonly content: Buffer }>;
}

interface ClientOptions {
  readonly accessKeyId: string;
  readonly accessKeySecret: string;
  readonly stsToken?: string;
  readonly endpoint: string;
  readonly secure: boolean;
  readonly sldEnable: boolean;
  readonly region: string;
  readonly bucket: string;
  readonly authorizationV4: boolean;
  readonly urllib: OssTransport;
  readonly refreshSTSTokenInterval?: number;
}

export interface OssCaller {
  /** One attempt: for a body that cannot be sent twice. */
  once<Answer>(ask: (client: OssClient) => Promise<Answer>): Promise<Answer>;
  /** Some attempts, as far as the error may pass: ali-oss itself repeats neither 5xx nor 429. */
  repeatedly<Answer>(ask: (client: OssClient) => Promise<Answer>): Promise<Answer>;
}

const mostAttempts = 5;
const firstWaitMilliseconds = 300;
const longestWaitMilliseconds = 5_000;
/** ali-oss warns of a temporary pair without one, and does nothing with it: who holds the client makes a new one. */
const neverMilliseconds = Number.MAX_SAFE_INTEGER;

export function ossCaller(settings: OssSettings, credentials: AliyunCredentialsSource): OssCaller {
  const transport = ossTransport();
  let kept: { readonly pair: AliyunCredentials; readonly client: OssClient } | undefined;

  const open = async () => {
    const pair = await credentials.read();
    if (kept === undefined || !isSamePair(kept.pair, pair)) {
      kept = { pair, client: await makeClient(settings, pair, transport) };
    }
    return kept;
  };

  async function once<Answer>(ask: (client: OssClient) => Promise<Answer>): Promise<Answer> {
    const { pair, client } = await open();
    try {
      return await ask(client);
    } catch (error) {
      const named = ossError(error);
      if (!isCredentialProblem(named)) throw named;
      // Refused with a pair that has been replaced meanwhile, the call may succeed with the new one.
      credentials.forget();
      if (isSamePair(pair, await credentials.read())) throw named;
      throw new CausewayError("TargetUnavailable", "OSS refused the key pair, which has been replaced since.");
    }
  }

  return {
    once,
    repeatedly: (ask) =>
      retry(() => once(ask), {
        mostAttempts,
        firstWaitMilliseconds,
        longestWaitMilliseconds,
        isRetryable: (error) => error instanceof CausewayError && error.name === "TargetUnavailable",
      }),
  };
}

async function makeClient(settings: OssSettings, pair: AliyunCredentials, transport: OssTransport): Promise<OssClient> {
  // Half a second of a cold start, which functions that never call OSS do not pay.
  const { default: Client } = (await import("ali-oss")) as unknown as {
    default: new (options: ClientOptions) => OssClient;
  };
  return new Client({
    accessKeyId: pair.accessKeyId,
    accessKeySecret: pair.accessKeySecret,
    ...(pair.securityToken === undefined
      ? {}
      : { stsToken: pair.securityToken, refreshSTSTokenInterval: neverMilliseconds }),
    endpoint: `${settings.protocol}://${settings.endpoint}`,
    secure: settings.protocol === "https",
    sldEnable: settings.pathStyle,
    region: settings.region,
    bucket: settings.bucket,
    authorizationV4: true,
    urllib: transport,
  });
}

function isSamePair(left: AliyunCredentials, right: AliyunCredentials): boolean {
  return (
    left.accessKeyId === right.accessKeyId &&
    left.accessKeySecret === right.accessKeySecret &&
    left.securityToken === right.securityToken
  );
}
