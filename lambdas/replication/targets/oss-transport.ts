// How ali-oss sends its requests: over node:http, in the place of its own client, which cannot be aborted, waits for a
// whole upload with one timer, and reads every answer without a limit.
import http from "node:http";
import https from "node:https";
import type { Readable } from "node:stream";
import { handingBack } from "./hand-back.ts";

/** What ali-oss 6 hands to the client in its option `urllib`. */
export interface OssRequest {
  readonly method: string;
  readonly headers: Readonly<Record<string, string | number>>;
  readonly content?: Buffer | string | undefined;
  readonly stream?: Readable | undefined;
  /** Passed through from the caller: how a call is aborted. */
  readonly ctx?: { readonly signal?: AbortSignal } | undefined;
}

/** What ali-oss reads of an answer. */
export interface OssAnswer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly data: Buffer;
  readonly res: { readonly status: number; readonly statusCode: number; readonly headers: http.IncomingHttpHeaders };
}

export interface OssTransport {
  request(url: string, request: OssRequest): Promise<OssAnswer>;
}

/** Connections kept open for the next request. */
const mostIdleConnections = 64;
/** From the last byte sent until the answer's last byte. While bytes are sent, whoever sends them watches the flow. */
const answerTimeoutMilliseconds = 60_000;
/** A list of a thousand parts or keys is a few hundred kibibytes. */
const longestAnswerBytes = 8 * 1024 * 1024;

export function ossTransport(): OssTransport {
  const options = { keepAlive: true, maxFreeSockets: mostIdleConnections };
  const agents = { http: new http.Agent(options), https: new https.Agent(options) };
  return {
    request: (address, given) =>
      new Promise<OssAnswer>((resolve, reject) => {
        const { secure, host, path } = splitAddress(address);
        const { signal } = given.ctx ?? {};
        const body = given.stream === undefined ? undefined : handingBack(given.stream);
        const request = (secure ? https : http).request({
          ...host,
          path,
          method: given.method,
          headers: { ...given.headers },
          agent: secure ? agents.https : agents.http,
          ...(signal === undefined ? {} : { signal }),
        });
        let timer: NodeJS.Timeout | undefined;
        const end = (settle: () => void) => {
          clearTimeout(timer);
          // Refused before everything was sent: nobody reads the rest.
          if (!request.writableFinished) request.destroy();
          body?.destroy();
          settle();
        };
        const fail = (error: Error) => end(() => reject(unanswered(error)));
        request.once("finish", () => {
          timer = setTimeout(
            () => request.destroy(new Error(`no answer within ${answerTimeoutMilliseconds / 1000} s`)),
            answerTimeoutMilliseconds,
          );
        });
        request.on("error", fail);
        request.once("response", (answer) => {
          readAnswer(answer).then((read) => end(() => resolve(read)), fail);
        });
        send(request, body, given.content);
      }),
  };
}

function send(request: http.ClientRequest, body: Readable | undefined, content: Buffer | string | undefined): void {
  if (body === undefined) {
    request.end(content);
    return;
  }
  body.once("error", (error) => request.destroy(error));
  body.once("close", () => {
    if (!body.readableEnded) request.destroy(new Error("the body broke off"));
  });
  body.pipe(request);
}

async function readAnswer(answer: http.IncomingMessage): Promise<OssAnswer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > longestAnswerBytes) throw new Error(`an answer of more than ${longestAnswerBytes} bytes`);
    chunks.push(chunk);
  }
  const status = answer.statusCode ?? 0;
  const { headers } = answer;
  return { status, headers, data: Buffer.concat(chunks), res: { status, statusCode: status, headers } };
}

/** By hand: `URL` would resolve the segments `.` and `..`, which a key may have. */
function splitAddress(address: string) {
  const [, scheme = "http", authority = "", path = "/"] = /^(https?):\/\/([^/?]+)(.*)$/.exec(address) ?? [];
  const { hostname, port } = new URL(`${scheme}://${authority}`);
  return {
    secure: scheme === "https",
    host: { hostname: hostname.replace(/^\[|\]$/g, ""), ...(port === "" ? {} : { port: Number(port) }) },
    path: path === "" ? "/" : path,
  };
}

/** As ali-oss knows an error without an answer. */
function unanswered(error: Error): Error {
  return Object.assign(new Error(error.message), { name: "RequestError", status: -1, code: errorCode(error) });
}

function errorCode(error: Error): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}
