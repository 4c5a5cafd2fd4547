// What every Lambda entry does: parse the input, build dependencies at first use, name errors, log the outcome.
import type * as z from "zod";
import { namedError } from "./aws-errors.ts";
import { CausewayError } from "./errors.ts";
import { lazy } from "./lazy.ts";
import { log } from "./log.ts";

/** The part of Lambda's context that is used. */
export interface InvocationContext {
  readonly awsRequestId: string;
  getRemainingTimeInMillis(): number;
}

export interface Invocation {
  /** Milliseconds until Lambda ends this invocation. */
  remainingMilliseconds(): number;
  /** Aborts when this share (0 to 1) of the time that is left now is over. */
  signalAfter(share: number): AbortSignal;
}

export interface HandlerDefinition<Input, Dependencies, Output> {
  readonly input: z.ZodType<Input>;
  /** Runs at the first invocation, not at import, so that a test can import the entry without an environment. */
  readonly build: () => Dependencies;
  readonly run: (input: Input, dependencies: Dependencies, invocation: Invocation) => Promise<Output>;
}

/** Throws CausewayError only: `InputInvalid` for a wrong event, else whatever the work raised, named. */
export function makeHandler<Input, Dependencies, Output>(
  definition: HandlerDefinition<Input, Dependencies, Output>,
): (event: unknown, context: InvocationContext) => Promise<Output> {
  const dependencies = lazy(definition.build);
  return async (event, context) => {
    try {
      const parsed = definition.input.safeParse(event);
      if (!parsed.success) {
        const problems = parsed.error.issues.map((issue) => `${issue.path.join(".") || "input"}: ${issue.message}`);
        throw new CausewayError("InputInvalid", `The input is wrong: ${problems.join("; ")}`);
      }
      return await definition.run(parsed.data, dependencies(), {
        remainingMilliseconds: () => context.getRemainingTimeInMillis(),
        signalAfter: (share) => {
          // Whole milliseconds: AbortSignal.timeout throws on any other number.
          const milliseconds = Math.floor(context.getRemainingTimeInMillis() * share);
          return AbortSignal.timeout(Math.max(0, milliseconds));
        },
      });
    } catch (thrown) {
      const error = namedError(thrown);
      log.error(error.message, { error: error.name, retryable: error.retryable, ...error.details });
      throw error;
    }
  };
}
