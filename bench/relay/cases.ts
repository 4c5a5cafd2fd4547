// The cases of the relay benchmark: what the clients do, how the upstream answers, and which figures are told.
import type { Behaviour } from "../../local/ai-upstream/behaviour.ts";
import type { Load } from "./load.ts";

export const caseNames = [
  ...(["json-1", "json-16", "json-64", "paced", "streams", "spaced", "held"] as const),
  ...(["length", "storage", "cold"] as const),
] as const;
export type CaseName = (typeof caseNames)[number];

export interface Step {
  readonly load: Load;
  readonly behaviour: Behaviour;
  readonly asksForStream: boolean;
}

export interface LoadCase {
  readonly title: string;
  /** Done before the first run, and in a new process before each. */
  readonly warmUp: Step;
  readonly step: Step;
  /** Memory is what counts: every run has new processes, and memory is looked at while they serve. */
  readonly memory: boolean;
}

/** Times in milliseconds, processor time in milliseconds per 1,000 requests, memory in MiB. */
export type FigureName =
  | ("requestsPerSecond" | "eventsPerSecond" | "p50" | "p99" | "addedP50" | "addedP99" | "addedFirstByteP50")
  | ("firstByteP50" | "firstByteP99" | "ownCpu" | "frontCpu" | "storeCpu" | "otherFunctionsCpu")
  | ("residentBefore" | "residentPeak" | "heapPeak" | "residentShort" | "residentLong" | "heapShort" | "heapLong");

/** JSON answers of 400 characters. */
const answer: Behaviour = { outputTokens: 100 };
/** Events of text; seven more begin and end the stream. */
const eventsPerStream = 100;
/** One character an event, so that the longest stream stays below what the model may say. */
const manyEvents = (events: number): Behaviour => ({ outputTokens: Math.ceil(events / 4), events });
export const shortStreamEvents = 1000;
export const longStreamEvents = 100_000;
const spacingMilliseconds = 10;
/** An event each second and eleven events: the stream is held for ten seconds. */
const held: Behaviour = { outputTokens: 5, events: 5, betweenEventsMilliseconds: 1000 };
/** Between the events there is time to count what was called. */
export const countedStream: Behaviour = { outputTokens: 5, events: 5, betweenEventsMilliseconds: 100 };

/** Until V8 has compiled what is used most. */
const warmUpRequests = 2000;

function closed(connections: number, requests: number): Load {
  return { kind: "closed", connections, requests };
}

function json(connections: number, requests: number, asked: number): LoadCase {
  const step = { behaviour: answer, asksForStream: false };
  return {
    title: `JSON, ${connections} ${connections === 1 ? "connection" : "connections"}, ${scaled(requests, asked)} requests`,
    warmUp: { ...step, load: closed(connections, scaled(warmUpRequests, asked)) },
    step: { ...step, load: closed(connections, scaled(requests, asked)) },
    memory: false,
  };
}

/** `share`: of the usual number of requests. */
export function loadCase(name: Exclude<CaseName, "length" | "storage" | "cold">, share: number): LoadCase {
  switch (name) {
    case "json-1":
      return json(1, 1000, share);
    case "json-16":
      return json(16, 3000, share);
    case "json-64":
      return json(64, 3000, share);
    case "paced": {
      const load: Load = { kind: "paced", perSecond: 50, requests: scaled(500, share) };
      const step = { behaviour: answer, asksForStream: false, load };
      const warmUp = { ...step, load: closed(16, scaled(warmUpRequests, share)) };
      return { title: `JSON, 50 requests a second, ${load.requests} requests`, warmUp, step, memory: false };
    }
    case "streams": {
      const step = { behaviour: manyEvents(eventsPerStream), asksForStream: true };
      const requests = scaled(1000, share);
      return {
        title: `streams of ${eventsPerStream} events that come at once, 16 connections, ${requests} streams`,
        warmUp: { ...step, load: closed(16, scaled(warmUpRequests, share)) },
        step: { ...step, load: closed(16, requests) },
        memory: false,
      };
    }
    case "spaced": {
      const behaviour = { ...manyEvents(eventsPerStream), betweenEventsMilliseconds: spacingMilliseconds };
      const step = { behaviour, asksForStream: true };
      const requests = scaled(200, share);
      return {
        title: `streams of ${eventsPerStream} events ${spacingMilliseconds} ms apart, 16 at once, ${requests} streams`,
        warmUp: { ...step, load: closed(16, 16) },
        step: { ...step, load: closed(16, requests) },
        memory: false,
      };
    }
    case "held": {
      const streams = scaled(500, share);
      const step = { behaviour: held, asksForStream: true, load: closed(streams, streams) };
      return {
        title: `${streams} streams over 10 keys at once, each held for 10 s`,
        warmUp: { behaviour: answer, asksForStream: false, load: closed(16, 50) },
        step,
        memory: true,
      };
    }
  }
}

export const lengthTitle = `one stream of ${shortStreamEvents} events, then one of ${longStreamEvents}`;

export function lengthStep(events: number, streams: number): Step {
  return { behaviour: manyEvents(events), asksForStream: true, load: closed(1, streams) };
}

/** JSON text of about this many bytes. */
export function requestBody(asksForStream: boolean, bodyBytes: number): string {
  const sentence = "The water is wide, the causeway is narrow, and everything that crosses is counted. ";
  const content = sentence.repeat(Math.ceil(bodyBytes / sentence.length)).slice(0, bodyBytes);
  const messages = [{ role: "user", content }];
  return JSON.stringify({ model: "claude-sonnet-4-5", max_tokens: 32_000, stream: asksForStream, messages });
}

function scaled(count: number, share: number): number {
  return Math.max(1, Math.ceil(count * share));
}
