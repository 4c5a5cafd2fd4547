// The HTTP front of the REST APIs: a server on loopback for each, which listens before the templates are resolved, for they
// tell its address.
import http from "node:http";
import type { AddressInfo } from "node:net";
import { listen } from "../gateway/gateway.ts";
import type { ServiceCall } from "../iam/iam.ts";
import type { Clock } from "../rig/clock.ts";
import type { Faults } from "../rig/faults.ts";
import { answerCall, type CallMachinery, ConnectionReset, type Progress } from "./answer-call.ts";
import type { ApiDefinition } from "./api-definition.ts";
import type { CallPlace } from "./call-context.ts";
import { GatewayError, internalServerError } from "./gateway-error.ts";
import { type HttpAnswer, renderGatewayError } from "./gateway-responses.ts";
import { RequestTooLarge, readIncoming } from "./incoming-request.ts";
import type { HostedLambda } from "./lambda-integration.ts";
import { RequestAuthorizers } from "./request-authorizer.ts";
import type { StreamedAnswer } from "./stream-integration.ts";
import { traceHeader, writeAnswer } from "./write-answer.ts";

export interface ApiFrontOptions {
  readonly place: CallPlace;
  readonly clock: Clock;
  readonly faults: Faults;
  readonly lambda: HostedLambda;
  readonly mayCall: (call: ServiceCall) => boolean;
  /** In the order of the APIs in the templates; absent or too few: any free ones. */
  readonly ports?: readonly number[];
  /** Called for an error that nobody raised on purpose: a defect of the local cloud. */
  readonly onDefect?: (error: unknown, call: string) => void;
}

export interface RunningApi {
  /** The RestApi's construct path. */
  readonly name: string;
  readonly apiId: string;
  readonly stage: string;
  /** `http://127.0.0.1:PORT/<stage>`: as in AWS, no slash at the end. */
  readonly url: string;
  /** Without the stage, which may be left out. */
  readonly shortUrl: string;
  readonly port: number;
}

export interface ApiFront {
  /** `http://127.0.0.1:PORT`, what stands in for `https://<api id>.execute-api.…`; undefined for a strange id. */
  addressOf(apiId: string): string | undefined;
  /** From now on calls are answered; until then each is a 503. */
  open(apis: readonly ApiDefinition[]): void;
  list(): readonly RunningApi[];
  close(): Promise<void>;
}

interface Listener {
  readonly server: http.Server;
  readonly port: number;
}

/** One server for each id. Throws a sentence when a port is taken. */
export async function startApiFront(apiIds: readonly string[], options: ApiFrontOptions): Promise<ApiFront> {
  const apis = new Map<string, ApiDefinition>();
  const listeners = new Map<string, Listener>();
  const machinery: CallMachinery = { ...options, authorizers: new RequestAuthorizers(options) };
  const close = async () => {
    await Promise.all([...listeners.values()].map(({ server }) => closeServer(server)));
  };
  try {
    for (const [index, apiId] of apiIds.entries()) {
      const server = createServer(() => apis.get(apiId), machinery, options);
      await listen(server, options.ports?.[index] ?? 0);
      listeners.set(apiId, { server, port: (server.address() as AddressInfo).port });
    }
  } catch (error) {
    await close();
    throw error;
  }
  const addressOf = (apiId: string) => {
    const listener = listeners.get(apiId);
    return listener && `http://127.0.0.1:${listener.port}`;
  };
  return {
    addressOf,
    open(definitions) {
      for (const definition of definitions) apis.set(definition.apiId, definition);
    },
    list: () =>
      [...apis.values()].flatMap((api) => {
        const shortUrl = addressOf(api.apiId);
        const port = listeners.get(api.apiId)?.port;
        if (shortUrl === undefined || port === undefined) return [];
        return api.stages.map(({ name: stage }) => ({
          ...{ name: api.name, apiId: api.apiId, stage, url: `${shortUrl}/${stage}`, shortUrl, port },
        }));
      }),
    close,
  };
}

function createServer(
  apiNow: () => ApiDefinition | undefined,
  machinery: CallMachinery,
  options: ApiFrontOptions,
): http.Server {
  const server = http.createServer({ requestTimeout: 0, keepAliveTimeout: 65_000 }, (incoming, outgoing) => {
    serve(incoming, outgoing, apiNow(), machinery, options).catch((error: unknown) => {
      options.onDefect?.(error, `apigateway ${incoming.method} ${incoming.url}`);
      outgoing.destroy();
    });
  });
  return server;
}

async function serve(
  incoming: http.IncomingMessage,
  outgoing: http.ServerResponse,
  api: ApiDefinition | undefined,
  machinery: CallMachinery,
  options: ApiFrontOptions,
): Promise<void> {
  const traceId = traceHeader(machinery.clock.now());
  const progress: Progress = {};
  let answer: HttpAnswer | StreamedAnswer;
  if (!api) {
    const body = Buffer.from('{"message":"The local cloud is still booting."}');
    answer = { status: 503, headers: [["Content-Type", "application/json"]], body };
  } else {
    try {
      answer = await answerCall(api, await readIncoming(incoming, traceId), machinery, progress);
    } catch (error) {
      if (error instanceof ConnectionReset) {
        incoming.socket.resetAndDestroy();
        return;
      }
      // Whoever went away in the middle of a request waits for no answer.
      if (incoming.errored) return;
      answer = renderGatewayError(asGatewayError(error, incoming, options), api, progress.call);
    }
  }
  // What the client still sends is not read any more.
  if (!incoming.readableEnded) incoming.resume();
  const isHead = incoming.method === "HEAD";
  writeAnswer(outgoing, answer, { call: progress.call, traceId, now: machinery.clock.now(), isHead });
}

function asGatewayError(error: unknown, incoming: http.IncomingMessage, options: ApiFrontOptions): GatewayError {
  if (error instanceof GatewayError) return error;
  if (error instanceof RequestTooLarge) {
    return new GatewayError("REQUEST_TOO_LARGE", "HTTP content length exceeded 10485760 bytes.");
  }
  options.onDefect?.(error, `apigateway ${incoming.method} ${incoming.url}`);
  return internalServerError("DEFAULT_5XX");
}

async function closeServer(server: http.Server): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeAllConnections();
  await closed;
}
