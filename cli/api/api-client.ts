// Calls to the HTTP API: token, envelope, retries of what may be repeated, lists by their cursors.
import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { UsageProblem } from "../usage-problem.ts";
import { ApiProblem, isPassing, unreachableSentence } from "./api-problem.ts";
import type { AnswerOf, ItemOf, ListOperation, Operation } from "./operations.ts";

/** Who speaks to which API. */
export interface Connection {
  /** Base of the API, with its stage, no slash at the end. */
  readonly url: string;
  readonly isLocal: boolean;
  /** How to sign in to it: a command. */
  readonly again: string;
  /** An access token; `refused`: the last one was not taken, so a new one is needed. Throws UsageProblem. */
  token(refused: boolean): Promise<string>;
}

export type Query = Readonly<Record<string, string | number | boolean | undefined>>;

interface Sending {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  readonly query?: Query;
  readonly body?: unknown;
  /** Without it, nothing but a GET is sent twice. */
  readonly idempotencyKey?: string;
  readonly isPublic?: boolean;
  /** A client key of the relay, in the place of a sign-in. */
  readonly relayKey?: string;
  /** The ETag of what was seen. */
  readonly ifMatch?: string;
  /** The answer is no envelope but a text, unless it is a refusal. */
  readonly wantsText?: boolean;
}

interface Answered {
  readonly data: unknown;
  readonly etag: string | undefined;
}

interface Envelope {
  readonly code: number;
  readonly message: string;
  readonly data: unknown;
}

/** API Gateway itself answers after 29 s at the latest. */
const answerTimeoutMilliseconds = 40_000;
const mostAttempts = 5;
const firstWaitMilliseconds = 300;
const longestWaitMilliseconds = 5_000;
/** A request that died holds its Idempotency-Key for a minute. */
const mostWaitsForTheFirst = 15;
const itemsPerPage = 100;

export class ApiClient {
  readonly connection: Connection;

  constructor(connection: Connection) {
    this.connection = connection;
  }

  async get<Name extends Operation>(_operation: Name, path: string, query: Query = {}): Promise<AnswerOf<Name>> {
    return (await this.#data(path, { method: "GET", query })) as AnswerOf<Name>;
  }

  /** With its ETag, for a change of it. */
  async getTagged<Name extends Operation>(
    _operation: Name,
    path: string,
  ): Promise<{ readonly data: AnswerOf<Name>; readonly etag: string | undefined }> {
    const { data, etag } = await this.#send(path, { method: "GET" });
    return { data: data as AnswerOf<Name>, etag };
  }

  /** Of a route that answers text. */
  async getText(_operation: Operation, path: string, query: Query): Promise<string> {
    return String(await this.#data(path, { method: "GET", query, wantsText: true }));
  }

  /** Of a route that is asked with a client key of the relay. */
  async getByKey<Name extends Operation>(
    _operation: Name,
    path: string,
    relayKey: string,
    query: Query = {},
  ): Promise<AnswerOf<Name>> {
    return (await this.#data(path, { method: "GET", query, relayKey })) as AnswerOf<Name>;
  }

  /** Sent once: `ifMatch` would refuse a repetition of what was done. */
  async put<Name extends Operation>(
    _operation: Name,
    path: string,
    body: unknown,
    ifMatch?: string,
  ): Promise<AnswerOf<Name>> {
    return (await this.#data(path, { method: "PUT", body, ...(ifMatch && { ifMatch }) })) as AnswerOf<Name>;
  }

  async delete<Name extends Operation>(_operation: Name, path: string): Promise<AnswerOf<Name>> {
    return (await this.#data(path, { method: "DELETE" })) as AnswerOf<Name>;
  }

  /** Of a route that everybody may ask. */
  async getPublic<Name extends Operation>(_operation: Name, path: string): Promise<AnswerOf<Name>> {
    return (await this.#data(path, { method: "GET", isPublic: true })) as AnswerOf<Name>;
  }

  /** Sent again where the answer was lost: with the same key it is done once. */
  async post<Name extends Operation>(
    _operation: Name,
    path: string,
    body?: unknown,
    idempotencyKey: string = randomUUID(),
  ): Promise<AnswerOf<Name>> {
    return (await this.#data(path, { method: "POST", body, idempotencyKey })) as AnswerOf<Name>;
  }

  /** The first `most` items of a list, page after page, and whether there are more. */
  async list<Name extends ListOperation>(
    operation: Name,
    path: string,
    query: Query,
    most: number,
  ): Promise<{ readonly items: ItemOf<Name>[]; readonly hasMore: boolean }> {
    const items: ItemOf<Name>[] = [];
    let cursor: string | null | undefined;
    do {
      const limit = Math.min(itemsPerPage, most - items.length);
      const page = (await this.get(operation, path, { ...query, limit, cursor: cursor ?? undefined })) as {
        readonly items: ItemOf<Name>[];
        readonly cursor: string | null;
      };
      items.push(...page.items);
      cursor = page.cursor;
    } while (cursor !== null && items.length < most);
    return { items, hasMore: cursor !== null };
  }

  async #data(path: string, sending: Sending): Promise<unknown> {
    return (await this.#send(path, sending)).data;
  }

  /** `data` of the envelope. Throws ApiProblem for a refusal, UsageProblem where there is no such API. */
  async #send(path: string, sending: Sending): Promise<Answered> {
    const mayRepeat = sending.method === "GET" || sending.idempotencyKey !== undefined;
    let isTokenRefused = false;
    let waitsForTheFirst = 0;
    for (let attempt = 1; ; attempt += 1) {
      let wait = Math.min(longestWaitMilliseconds, firstWaitMilliseconds * 2 ** (attempt - 1));
      try {
        return await this.#sendOnce(path, sending, isTokenRefused);
      } catch (error) {
        if (error instanceof ApiProblem) {
          // A token that was thrown away meanwhile: once more with a new one.
          if (error.status === 401 && !isTokenRefused && sending.relayKey === undefined) {
            isTokenRefused = true;
            continue;
          }
          if (error.data.name === "StillWorking" && waitsForTheFirst < mostWaitsForTheFirst) {
            waitsForTheFirst += 1;
            await pause(longestWaitMilliseconds);
            continue;
          }
          if (!(mayRepeat && error.status !== 409 && error.data.retryable)) throw error;
          // What is not ready says so at once.
          if (error.data.name === "NotReady") throw error;
        } else if (!(mayRepeat && isPassing(error))) {
          throw this.#explained(error);
        }
        if (attempt >= mostAttempts) throw error instanceof ApiProblem ? error : this.#explained(error);
        // Spread, so that many who were refused at once do not come again at once.
        wait *= 0.5 + Math.random() / 2;
      }
      await pause(wait);
    }
  }

  async #sendOnce(path: string, sending: Sending, isTokenRefused: boolean): Promise<Answered> {
    const { method, query = {}, body, idempotencyKey, isPublic = false, relayKey, ifMatch } = sending;
    const address = new URL(this.connection.url + path);
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined) address.searchParams.set(name, String(value));
    }
    const token = isPublic ? undefined : (relayKey ?? (await this.connection.token(isTokenRefused)));
    const answer = await fetch(address, {
      method,
      redirect: "error",
      signal: AbortSignal.timeout(answerTimeoutMilliseconds),
      headers: {
        Accept: "application/json",
        ...(token !== undefined && { Authorization: `Bearer ${token}` }),
        ...(body !== undefined && { "Content-Type": "application/json" }),
        ...(idempotencyKey !== undefined && { "Idempotency-Key": idempotencyKey }),
        ...(ifMatch !== undefined && { "If-Match": ifMatch }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    const etag = answer.headers.get("etag") ?? undefined;
    if (sending.wantsText && answer.ok) return { data: text, etag };
    const envelope = readEnvelope(text);
    if (envelope === undefined) {
      throw new UsageProblem(
        `${address.origin}${address.pathname} is no Causeway API: it answered ${answer.status} ` +
          `with ${answer.headers.get("content-type") ?? "nothing"}. Check the address; it ends in the stage's name, or is your own domain.`,
      );
    }
    if (envelope.code === 0) return { data: envelope.data, etag };
    throw new ApiProblem(answer.status, envelope.message, envelope.data as ApiProblem["data"]);
  }

  #explained(error: unknown): unknown {
    const { url, isLocal } = this.connection;
    const sentence = unreachableSentence(error, url, isLocal);
    return sentence === undefined ? error : new UsageProblem(sentence, { cause: error });
  }
}

/** Undefined where the text is no envelope of ours. */
function readEnvelope(text: string): Envelope | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const { code, message, data } = value as Partial<Envelope>;
  if (typeof code !== "number" || typeof message !== "string") return undefined;
  if (code !== 0 && !isFailure(data)) return undefined;
  return { code, message, data };
}

function isFailure(data: unknown): boolean {
  const { name, fields, retryable } = (data ?? {}) as Record<string, unknown>;
  return typeof name === "string" && Array.isArray(fields) && typeof retryable === "boolean";
}
