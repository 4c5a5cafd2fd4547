// The contract between the gateway (one port, signatures, permissions, general faults) and every service behind it.
import type { Readable } from "node:stream";
import type { Clock } from "../rig/clock.ts";
import type { FaultEffect, Faults } from "../rig/faults.ts";

/** Who is calling: a role of the templates, or the operator at the keyboard, who may do everything. */
export interface Principal {
  readonly arn: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Present for roles: AWS demands it with temporary keys, and clients send it back in a header. */
  readonly sessionToken?: string;
}

/**
 * Throws `AccessDenied` (a ServiceError, 403) unless a statement of the principal allows the action and none denies it.
 * `resource` is an ARN or "*"; `context` holds condition keys such as `s3:prefix`.
 */
export type Authorize = (
  principal: Principal,
  action: string,
  resource: string,
  context?: Readonly<Record<string, string>>,
) => void;

export interface ServiceRequest {
  readonly requestId: string;
  readonly method: string;
  /** Path as sent, still percent-encoded, without the query. */
  readonly rawPath: string;
  readonly query: URLSearchParams;
  /** Lower-case names. Repeated headers are joined by a comma. */
  readonly headers: Readonly<Record<string, string>>;
  /** The body as it arrives. Only a service with `streamsBody` may read it; others read `bodyBytes`. */
  readonly stream: Readable;
  /** The whole body (at most `largestBufferedBodyBytes`) where the service does not stream, else empty. */
  readonly bodyBytes: Buffer;
  /** Undefined only where the service accepts anonymous calls. */
  readonly principal: Principal | undefined;
  /** What the fault rig asks for at this call and the gateway cannot do by itself (see `FaultEffect`). */
  readonly fault: FaultEffect | undefined;
  /** Aborted when the caller went away. */
  readonly signal: AbortSignal;
}

export interface ServiceResponse {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** A stream is destroyed when the caller goes away. */
  readonly body?: string | Buffer | Readable;
}

export interface LocalService {
  /** The service's name in a SigV4 credential scope: `s3`, `dynamodb`, `states`, `secretsmanager` … */
  readonly name: string;
  /** True where bodies may be large: the gateway then checks the claimed payload hash's signature only. */
  readonly streamsBody?: boolean;
  /**
   * The API's name of what is asked ("PutObject"), for faults and the call record; "Unknown" if none. The body, which
   * names the operation in query protocols, is there for services that do not stream.
   */
  operationOf(
    request: Pick<ServiceRequest, "method" | "rawPath" | "query" | "headers"> &
      Partial<Pick<ServiceRequest, "bodyBytes">>,
  ): string;
  /** The thing acted upon (bucket/key, table name …), for faults' `resourceIncludes`. May be "". */
  resourceOf?(request: Pick<ServiceRequest, "method" | "rawPath" | "query" | "headers" | "bodyBytes">): string;
  handle(request: ServiceRequest): Promise<ServiceResponse>;
  /** The service's own form of an error (XML, JSON …). */
  renderError(error: ServiceError, request: Pick<ServiceRequest, "requestId" | "method">): ServiceResponse;
  /** The error this service throttles with, e.g. S3's 503 SlowDown. */
  throttlingError(): ServiceError;
  close?(): Promise<void>;
}

/** An error that a client sees: `code` is its name in the API. */
export class ServiceError extends Error {
  readonly status: number;
  readonly code: string;
  /** Further members of the error's body. */
  readonly details: Readonly<Record<string, unknown>>;

  constructor(status: number, code: string, message: string, details: Readonly<Record<string, unknown>> = {}) {
    super(message);
    this.name = code;
    this.status = status;
    this.code = code;
    this.details = details;
  }
}

/** What every service is made of: the one clock, the fault rig, permissions, and a folder of its own for state. */
export interface ServiceContext {
  readonly clock: Clock;
  readonly faults: Faults;
  readonly authorize: Authorize;
  readonly region: string;
  readonly accountId: string;
  /** Exists already; survives a restart. */
  readonly stateDirectory: string;
}

/** JSON services' bodies; S3 streams and is not bound by it. Lambda's and Step Functions' payloads are far smaller. */
export const largestBufferedBodyBytes = 16 * 1024 * 1024;
