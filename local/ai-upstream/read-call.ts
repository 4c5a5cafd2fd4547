// From a request as HTTP brings it to a call that can be answered.
import type { IncomingHttpHeaders } from "node:http";
import type { Behaviour } from "./behaviour.ts";
import { type Answer, type Call, composeAnswer } from "./compose-answer.ts";
import { readAsked } from "./read-asked.ts";
import { readRoute } from "./read-route.ts";

export interface HttpRequest {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  /** Decoded. */
  readonly body: Buffer;
}

/** The path without the query. */
export function pathOf(url: string): string {
  const mark = url.indexOf("?");
  return mark < 0 ? url : url.slice(0, mark);
}

export function readCall({ method, url, headers, body }: HttpRequest): Call {
  const path = pathOf(url);
  const query = url.slice(path.length + 1);
  const json = body.length === 0 ? undefined : parseJson(body);
  return { asked: readAsked(readRoute(method, path, query, headers), json, body.length), json, query, headers };
}

/**
 * The exact answer that a request would get from the upstream under a behaviour, without asking it: for a request with a
 * good key. `now` (milliseconds since 1970) shows in times to the second, which OpenAI's bodies and some headers carry.
 */
export function expectedAnswer(
  request: HttpRequest,
  behaviour: Behaviour & { readonly id: string },
  now: number,
): Answer {
  return composeAnswer(readCall(request), behaviour, behaviour.id, now);
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString("utf8"));
  } catch {
    return undefined;
  }
}
