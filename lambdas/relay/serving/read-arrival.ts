// Read arrival: API Gateway's event becomes the request as the client sent it, as far as the gateway tells.
import * as z from "zod";
import { Refusal } from "../refusal.ts";
import type { Arrival } from "./ports.ts";

const lists = z.record(z.string(), z.array(z.string())).nullish();

/** The part of a REST proxy event that is used. */
export const arrivalEventSchema = z.object({
  httpMethod: z.string(),
  /** Without the stage; percent-encoded as sent. */
  path: z.string(),
  multiValueHeaders: lists,
  /** Decoded by the gateway. */
  multiValueQueryStringParameters: lists,
  body: z.string().nullish(),
  isBase64Encoded: z.boolean().default(false),
  requestContext: z.object({ identity: z.object({ sourceIp: z.string() }) }),
});

export type ArrivalEvent = z.output<typeof arrivalEventSchema>;

/**
 * Lambda takes events of 6,291,456 bytes, in which a body stands as base64: what is larger than this never comes, or
 * only with few headers. The relay refuses it in the client's own language, where the gateway would not.
 */
export const mostBodyBytes = 4_500_000;

export function readArrival(event: ArrivalEvent, requestId: string, endsAt: number): Arrival {
  return {
    requestId,
    method: event.httpMethod,
    path: event.path,
    query: queryOf(event.multiValueQueryStringParameters),
    headers: Object.fromEntries(
      Object.entries(event.multiValueHeaders ?? {}).map(([name, values]) => [name.toLowerCase(), values.join(", ")]),
    ),
    body: Buffer.from(event.body ?? "", event.isBase64Encoded ? "base64" : "utf8"),
    sourceIp: event.requestContext.identity.sourceIp,
    endsAt,
  };
}

/** Throws `Refusal` for a body that is larger than the relay takes. */
export function checkSize({ body }: Pick<Arrival, "body">): void {
  if (body.length <= mostBodyBytes) return;
  const message = `The body has ${body.length} bytes; the relay takes at most ${mostBodyBytes}. Send less at once.`;
  throw new Refusal("BodyTooLarge", message, { limit: mostBodyBytes });
}

function queryOf(parameters: ArrivalEvent["multiValueQueryStringParameters"]): string {
  return Object.entries(parameters ?? {})
    .flatMap(([name, values]) => values.map((value) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`))
    .join("&");
}
