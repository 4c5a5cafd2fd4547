// The types that a route's data gives to its handler: what it receives, and what it must answer.
import type * as z from "zod";
import type { AuditPut } from "./audit.store.ts";
import type { RequiredTag } from "./entity-tags.ts";
import type { Caller, Route } from "./routes.ts";

/** What a handler of a POST or PUT can say to the audit. */
export interface AuditTicket {
  /** Facts worth keeping, such as what was there before; never a secret. */
  note(details: Readonly<Record<string, unknown>>): void;
  /** The entry, for the TransactWrite that makes the change: on routes that are `auditedInTransaction`, and only there. */
  item(details?: Readonly<Record<string, unknown>>): AuditPut;
}

type Nothing = Readonly<Record<never, never>>;

export type RequestOf<R extends Route> = {
  readonly path: R extends { readonly pathParameters: infer Schema extends z.ZodType } ? z.output<Schema> : Nothing;
  readonly query: R extends { readonly query: infer Schema extends z.ZodType } ? z.output<Schema> : Nothing;
  readonly body: R extends { readonly body: infer Schema extends z.ZodType } ? z.output<Schema> : undefined;
  readonly caller: Caller;
  readonly requestId: string;
  readonly sourceIp: string;
  /** Lower-case name. */
  header(name: string): string | undefined;
  /** What stands before every path in the address: API Gateway's stage, or nothing. */
  readonly addressPrefix: string;
  remainingMilliseconds(): number;
} & (R extends { readonly method: "GET" }
  ? unknown
  : {
      readonly audit: AuditTicket;
      /**
       * A name for the work, 32 letters: the same for every request with the same Idempotency-Key, for as long as the key
       * is kept. Name executions and jobs by it, and a repeated request after a crash begins nothing twice.
       */
      readonly workId: string;
    }) &
  (R extends { readonly conditional: true } ? { readonly ifMatch: RequiredTag } : unknown);

type DeepReadonly<Value> = Value extends readonly (infer Member)[]
  ? readonly DeepReadonly<Member>[]
  : Value extends object
    ? { readonly [Key in keyof Value]: DeepReadonly<Value[Key]> }
    : Value;

interface AnswerHeaders {
  /** Beyond the framework's own. */
  readonly headers?: Readonly<Record<string, string>>;
  /** A strong tag in quotes. Absent: one made from the content, for GET. */
  readonly etag?: string;
}

/** An answer that is no envelope, of a route with `contentType`. */
export interface RawAnswer extends AnswerHeaders {
  readonly content: string;
  /** Where it differs from the route's. */
  readonly contentType?: string;
  readonly status?: number;
}

export type RouteAnswer<R extends Route> = R extends { readonly contentType: string }
  ? RawAnswer
  : AnswerHeaders & { readonly data: DeepReadonly<z.input<R["data"]>> } & (R extends { readonly status: 202 }
        ? {
            /** Path of where to look for the outcome, such as `/api/jobs/x`, percent-encoded. */
            readonly location: string;
          }
        : unknown);

export type RouteHandler<R extends Route, Dependencies> = (
  request: RequestOf<R>,
  dependencies: Dependencies,
) => Promise<RouteAnswer<R>> | RouteAnswer<R>;

/** Those of the room's routes that this entry answers. */
export type RoutesOfEntry<Routes extends readonly Route[], Entry extends string> = Extract<
  Routes[number],
  { readonly entry: Entry }
>;
