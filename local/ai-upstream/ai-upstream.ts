// Stands in for Anthropic, OpenAI and the Gemini API: one server that speaks their protocols and can be told to misbehave.
import { randomBytes } from "node:crypto";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { listen } from "../gateway/gateway.ts";
import type { Behaviour, Match, Platform, VendorError } from "./behaviour.ts";
import { type Call, composeAnswer, idLength } from "./compose-answer.ts";
import { type HttpRequest, pathOf, readCall } from "./read-call.ts";
import { decodeBody, receiveBody } from "./receive-body.ts";
import { ReceivedRequest, RequestLog } from "./request-log.ts";
import { ScriptBook, type ScriptRule } from "./script-book.ts";
import { isPlain, sendAtOnce, sendSlowly, type Waits } from "./send-answer.ts";
import { timerWaits } from "./timer-waits.ts";
import { UpstreamKeys } from "./upstream-keys.ts";

export interface AiUpstreamOptions {
  /** 0 or absent: any free one. */
  readonly port?: number;
  /** All waits are in its time, and all times are its. Absent: the machine's. A `Clock` of the local cloud is one. */
  readonly clock?: Waits;
  /** How many requests are kept for tests; default 2,000. 0: none, for benchmarks. */
  readonly mostKept?: number;
  /** What every call is answered with that no rule means; rules add to it. */
  readonly byDefault?: Behaviour;
}

export interface AiUpstream {
  /** `http://127.0.0.1:<port>`: whose API is meant is seen by path and headers. */
  readonly url: string;
  /** A base address that is one vendor's alone: `<url>/anthropic`, `<url>/openai`, `<url>/gemini`. */
  baseUrl(platform: Platform): string;
  /** The same name has the same key always. */
  issueKey(platform: Platform, name?: string): string;
  /** From now on it is refused as one that nobody issued. */
  revokeKey(platform: Platform, name?: string): void;
  /** The first rule that means a call and is not used up decides. */
  script(match: Match, behaviour: Behaviour): ScriptRule;
  /** Oldest first, bounded. */
  readonly requests: readonly ReceivedRequest[];
  /** Everything that ever came, refused calls too. */
  readonly count: number;
  /** Waits for what is asked to become true of `requests`: it looks at every arrival, every piece sent and every end. */
  until(isTrue: (requests: readonly ReceivedRequest[]) => boolean): Promise<void>;
  /** Forgets rules and requests; keys stay. */
  clear(): void;
  close(): Promise<void>;
}

const defaultMostKept = 2000;
const defaultKeyName = "default";
/** Responses that later ones may refer to; the oldest are forgotten. */
const mostResponses = 10_000;
/** A relay keeps its connections; the upstream must not be the one that closes them between two requests. */
const keepAliveMilliseconds = 300_000;

/** Listens on 127.0.0.1 only, keeps nothing on disk. Throws a sentence when the port is taken. */
export async function startAiUpstream(options: AiUpstreamOptions = {}): Promise<AiUpstream> {
  const upstream = new Upstream(options);
  const server = http.createServer(
    { requestTimeout: 0, keepAliveTimeout: keepAliveMilliseconds },
    (incoming, outgoing) => {
      upstream.answer(incoming, outgoing).catch(() => outgoing.destroy());
    },
  );
  await listen(server, options.port ?? 0);
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const { keys, book, log } = upstream;
  return {
    url,
    baseUrl: (platform) => `${url}/${platform}`,
    issueKey: (platform, name = defaultKeyName) => keys.issue(platform, name),
    revokeKey: (platform, name = defaultKeyName) => keys.revoke(platform, name),
    script: (match, behaviour) => book.add(match, behaviour),
    get requests() {
      return log.list();
    },
    get count() {
      return upstream.count;
    },
    until: (isTrue) => log.until(isTrue),
    clear() {
      book.clear();
      log.clear();
    },
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}

class Upstream {
  readonly keys = new UpstreamKeys();
  readonly book: ScriptBook;
  readonly log: RequestLog;
  count = 0;
  readonly #waits: Waits;
  /** Whose answers can be referred to: key names by response id. */
  readonly #responses = new Map<string, string>();
  /** Ids differ from those of the upstream's last life, for a relay may remember them. */
  readonly #idPrefix = randomBytes(5).toString("hex");

  constructor({ clock, mostKept, byDefault }: AiUpstreamOptions) {
    this.#waits = clock ?? timerWaits;
    this.log = new RequestLog(mostKept ?? defaultMostKept);
    this.book = new ScriptBook(byDefault ?? {});
  }

  async answer(incoming: http.IncomingMessage, outgoing: http.ServerResponse): Promise<void> {
    this.count += 1;
    const sequence = this.count;
    const rawBody = await receiveBody(incoming);
    if (rawBody === undefined) return;
    const { headers, method = "GET", url = "/", rawHeaders } = incoming;
    const encoding = headers["content-encoding"];
    const body = (encoding === undefined ? rawBody : await decodeBody(rawBody, encoding)) ?? Buffer.alloc(0);
    const path = pathOf(url);
    const { call, key } = this.#read({ method, url, headers, body });
    const { asked } = call;
    const behaviour = key === undefined ? {} : this.book.next({ ...asked, key, path });

    const id = `${this.#idPrefix}${sequence.toString(36).padStart(idLength - this.#idPrefix.length, "0")}`;
    const now = this.#waits.now();
    const answer = composeAnswer(call, behaviour, id, now);
    if (asked.operation === "openai.responses" && answer.status === 200 && asked.store) this.#remember(id, key);
    const onProgress = () => this.log.changed();
    const given = { sequence, method, url, path, rawHeaders, rawBody, body, call, key, behaviour, id, now, onProgress };
    const request = new ReceivedRequest(given);
    request.status = answer.status;
    this.log.add(request);
    this.#watch(outgoing, request);
    if (isPlain(answer, behaviour)) sendAtOnce(outgoing, answer, request);
    else await sendSlowly(outgoing, answer, behaviour, request, this.#waits);
  }

  #read(request: HttpRequest): { call: Call; key: string | undefined } {
    const call = readCall(request);
    const { platform, operation, previousResponseId } = call.asked;
    const checked = operation === "hello" ? defaultKeyName : this.keys.check(platform, call.headers, call.query);
    if (typeof checked !== "string") return { call: { ...call, refused: checked }, key: undefined };
    const missing = this.#missingResponse(previousResponseId, checked);
    return { call: missing ? { ...call, missing } : call, key: checked };
  }

  #watch(outgoing: http.ServerResponse, request: ReceivedRequest): void {
    outgoing.once("close", () => {
      if (request.state === "answering") {
        request.state = outgoing.writableFinished ? "done" : "aborted";
        if (request.state === "aborted") request.abortedAt = new Date(this.#waits.now()).toISOString();
      }
      this.log.changed();
    });
  }

  #remember(id: string, key: string | undefined): void {
    if (key === undefined) return;
    this.#responses.set(`resp_${id}`, key);
    if (this.#responses.size <= mostResponses) return;
    for (const oldest of this.#responses.keys()) {
      this.#responses.delete(oldest);
      break;
    }
  }

  /** A response lives in the account that made it; to another one it is not there. */
  #missingResponse(id: string | undefined, key: string): VendorError | undefined {
    if (id === undefined || this.#responses.get(id) === key) return undefined;
    const message = `Previous response with id '${id}' not found.`;
    return { status: 400, message, param: "previous_response_id", code: "previous_response_not_found" };
  }
}
