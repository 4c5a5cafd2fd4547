// The one source of what is sent: a call and a behaviour make status, headers, and the body in pieces with their waits.
import type { IncomingHttpHeaders } from "node:http";
import { messageEvents, messageJson } from "./anthropic-messages.ts";
import type { Behaviour, Operation, VendorError } from "./behaviour.ts";
import { contentChunks, contentJson } from "./gemini-generate.ts";
import { completionChunks, completionJson } from "./openai-chat.ts";
import { compactionJson, responseEvents, responseJson } from "./openai-responses.ts";
import { otherAnswer } from "./other-answers.ts";
import { type Naming, type Plan, planAnswer, tokensInBytes } from "./plan-answer.ts";
import { type Refusal, refuseByRate } from "./rate-limits.ts";
import type { Asked } from "./read-asked.ts";
import type { JsonObject } from "./read-json.ts";
import { addUnknownField, pingFrame, shapeStream } from "./shape-stream.ts";
import type { StreamEvent } from "./stream-event.ts";
import { validateRequest } from "./validate-request.ts";
import { errorEnvelope } from "./vendor-errors.ts";
import { type ContentKind, requestIdOf, vendorHeaders } from "./vendor-headers.ts";

export interface Call {
  readonly asked: Asked;
  /** Undefined when the body is none. */
  readonly json: unknown;
  readonly query: string;
  readonly headers: IncomingHttpHeaders;
  /** Wrong before the script has a say: the credential. */
  readonly refused?: VendorError;
  /** Wrong with the request, but only the server can know: an id of nothing that it has. */
  readonly missing?: VendorError;
}

/** Up to `end` of the body, after a wait. Pings are no events. */
export interface Piece {
  readonly end: number;
  readonly waitMilliseconds: number;
  readonly isEvent: boolean;
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Before any content-encoding. */
  readonly body: Buffer;
  /** Where an event ends; several for a stream, one for anything else. */
  readonly pieces: readonly Piece[];
  readonly isStream: boolean;
}

/** `now` in milliseconds since 1970. */
export function composeAnswer(call: Call, behaviour: Behaviour, id: string, now: number): Answer {
  const { asked } = call;
  const requestId = requestIdOf(asked.platform, id);
  const refusal = refusalOf(call, behaviour, now);
  const finish = (body: Body, headers: Readonly<Record<string, string>> = {}): Answer => ({
    status: body.status,
    headers: {
      ...vendorHeaders(asked.platform, asked.operation, body.kind, requestId, now),
      ...headers,
      ...(call.refused ? {} : behaviour.headers),
    },
    body: body.bytes,
    pieces: body.pieces,
    isStream: body.kind === "sse" || body.pieces.length > 1,
  });
  if (behaviour.body !== undefined && !call.refused) {
    const kind = refusal === undefined && asked.stream && asked.sse ? "sse" : "json";
    return finish(whole(behaviour.body, behaviour.status ?? refusal?.error.status ?? 200, kind), refusal?.headers);
  }
  if (refusal) return finish(errorBody(asked, refusal.error, requestId), refusal.headers);
  if (asked.operation === "hello") return finish(whole("", 200));
  const talk = conversations[asked.operation];
  if (talk)
    return finish(
      isCacheable(asked, behaviour)
        ? cachedTalk(talk, asked, behaviour, id, now)
        : compose(talk, asked, behaviour, namingOf(behaviour, id, now)),
    );
  const other = otherAnswer(asked, call, behaviour);
  if (isError(other)) return finish(errorBody(asked, other, requestId));
  return finish(jsonBody(asked, other, behaviour));
}

function refusalOf(call: Call, behaviour: Behaviour, now: number): Refusal | undefined {
  const { asked } = call;
  if (call.refused) return { error: call.refused, headers: {} };
  if (behaviour.rateLimit) return refuseByRate(asked.platform, behaviour.rateLimit, now);
  const error = behaviour.error ?? (behaviour.body === undefined ? requestError(call) : undefined);
  if (!error) return undefined;
  // Anthropic tells its SDKs whether to try again.
  const retry = asked.platform === "anthropic" ? { "x-should-retry": String(isTransient(error.status)) } : {};
  return { error, headers: retry };
}

function requestError(call: Call): VendorError | undefined {
  return validateRequest(call.asked, call.json, call.headers) ?? call.missing;
}

const isTransient = (status: number) => status === 408 || status === 409 || status === 429 || status >= 500;

interface Body {
  readonly status: number;
  readonly kind: ContentKind;
  readonly bytes: Buffer;
  readonly pieces: readonly Piece[];
}

interface Conversation {
  readonly json: (asked: Asked, plan: Plan) => JsonObject;
  /** Absent: it never streams. */
  readonly events?: (asked: Asked, plan: Plan) => StreamEvent[];
}

const conversations: Partial<Record<Operation, Conversation>> = {
  "anthropic.messages": { json: messageJson, events: messageEvents },
  "openai.chat": { json: completionJson, events: completionChunks },
  "openai.responses": { json: responseJson, events: responseEvents },
  "openai.compact": { json: compactionJson },
  "gemini.generate": { json: contentJson, events: contentChunks },
  "gemini.stream": { json: contentJson, events: contentChunks },
};

function compose(talk: Conversation, asked: Asked, behaviour: Behaviour, naming: Naming): Body {
  const plan = planAnswer(asked, behaviour, naming);
  if (!asked.stream || !talk.events) return jsonBody(asked, talk.json(asked, plan), behaviour);
  const frames = shapeStream(talk.events(asked, plan), asked, plan, behaviour);
  return streamBody(frames, asked, behaviour);
}

function streamBody(frames: readonly string[], asked: Asked, behaviour: Behaviour): Body {
  const buffers: Buffer[] = [];
  const pieces: Piece[] = [];
  let end = 0;
  const add = (text: string, waitMilliseconds: number, isEvent: boolean) => {
    const bytes = Buffer.from(text);
    end += bytes.length;
    buffers.push(bytes);
    pieces.push({ end, waitMilliseconds, isEvent });
  };
  const { silence, betweenEventsMilliseconds = 0 } = behaviour;
  const beQuiet = (): number => {
    if (!silence) return 0;
    const every = asked.sse || asked.platform !== "gemini" ? (silence.pingEveryMilliseconds ?? 0) : 0;
    const pings = every > 0 ? Math.max(0, Math.ceil(silence.milliseconds / every) - 1) : 0;
    for (let count = 0; count < pings; count += 1) add(pingFrame(asked), every, false);
    return silence.milliseconds - pings * every;
  };
  frames.forEach((frame, index) => {
    const quiet = silence?.afterEvents === index ? beQuiet() : 0;
    add(frame, quiet + (index > 0 ? betweenEventsMilliseconds : 0), true);
  });
  if (silence && silence.afterEvents >= frames.length) add("", beQuiet(), false);
  return { status: behaviour.status ?? 200, kind: asked.sse ? "sse" : "json", bytes: Buffer.concat(buffers), pieces };
}

function jsonBody({ platform }: Asked, json: JsonObject, behaviour: Behaviour): Body {
  const value = behaviour.unknownFields ? addUnknownField(json) : json;
  // As the vendors do: Anthropic's JSON is dense, the others' is laid out.
  const text = platform === "anthropic" ? JSON.stringify(value) : `${JSON.stringify(value, null, 2)}\n`;
  return whole(text, behaviour.status ?? 200);
}

function errorBody({ platform }: Asked, error: VendorError, requestId: string): Body {
  const envelope = errorEnvelope(platform, error, requestId);
  const text = platform === "anthropic" ? JSON.stringify(envelope) : `${JSON.stringify(envelope, null, 2)}\n`;
  return whole(text, error.status);
}

function whole(content: string | Uint8Array, status: number, kind: ContentKind = "json"): Body {
  const bytes = typeof content === "string" ? Buffer.from(content) : Buffer.from(content);
  return { status, kind, bytes, pieces: [{ end: bytes.length, waitMilliseconds: 0, isEvent: true }] };
}

function isError(answer: JsonObject | VendorError): answer is VendorError {
  return typeof answer.status === "number";
}

function namingOf(behaviour: Behaviour, id: string, now: number): Naming {
  return { id: behaviour.id ?? id, createdSeconds: Math.floor(now / 1000) };
}

// Answers that differ only in their id and their second are composed once: benchmarks ask for them by the thousand.

interface Template extends Body {
  readonly idAt: readonly number[];
  readonly secondAt: readonly number[];
}

/** As long as every id, and a second as long as every second until the year 2286. */
export const idLength = 22;
const idHole = "causewayIdPlaceholder0";
const secondHole = 4_102_444_800;
const mostTemplates = 200;
const largestTemplateBytes = 4 * 1024 * 1024;
const templates = new WeakMap<Behaviour, Map<string, Template>>();

function isCacheable(asked: Asked, behaviour: Behaviour): boolean {
  return (
    behaviour.id === undefined &&
    behaviour.toolCalls === undefined &&
    asked.jsonSchema === undefined &&
    asked.stopSequence === undefined &&
    asked.compaction === undefined &&
    asked.previousResponseId === undefined
  );
}

function cachedTalk(talk: Conversation, asked: Asked, behaviour: Behaviour, id: string, now: number): Body {
  const { operation, model, stream, sse, inputBytes, mostOutputTokens, answers, includeUsage, showThoughts, store } =
    asked;
  const flags = `${stream}${sse}${includeUsage}${showThoughts}${store}`;
  const name = `${operation} ${tokensInBytes(inputBytes)} ${mostOutputTokens} ${answers} ${flags} ${model}`;
  let known = templates.get(behaviour);
  if (!known) {
    known = new Map();
    templates.set(behaviour, known);
  }
  let template = known.get(name);
  if (!template) {
    template = makeTemplate(compose(talk, asked, behaviour, { id: idHole, createdSeconds: secondHole }));
    if (known.size >= mostTemplates) known.clear();
    if (template.bytes.length <= largestTemplateBytes) known.set(name, template);
  }
  const bytes = Buffer.from(template.bytes);
  for (const at of template.idAt) bytes.write(id, at, idLength, "latin1");
  const second = String(Math.floor(now / 1000));
  for (const at of template.secondAt) bytes.write(second, at, "latin1");
  return { ...template, bytes };
}

function makeTemplate(body: Body): Template {
  const text = body.bytes.toString("latin1");
  const placesOf = (pattern: RegExp) => [...text.matchAll(pattern)].map((found) => found.index + found[0].length);
  return {
    ...body,
    idAt: placesOf(new RegExp(idHole, "g")).map((end) => end - idLength),
    secondAt: placesOf(new RegExp(`"created(?:_at)?": ?${secondHole}`, "g")).map(
      (end) => end - String(secondHole).length,
    ),
  };
}
