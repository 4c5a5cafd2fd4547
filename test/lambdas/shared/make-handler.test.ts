// What every entry has in common: input checked by name, dependencies built once, errors named and logged without secrets.
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import * as z from "zod";
import { CausewayError } from "../../../lambdas/shared/errors.ts";
import { lazy } from "../../../lambdas/shared/lazy.ts";
import { makeHandler } from "../../../lambdas/shared/make-handler.ts";
import { rejection } from "../replication/outcomes.ts";
import { type CapturedOutput, captureOutput } from "./captured-output.ts";

const context = { awsRequestId: "1", getRemainingTimeInMillis: () => 1234 };
let output: CapturedOutput;

beforeEach(() => {
  output = captureOutput();
});

afterEach(() => {
  vi.restoreAllMocks();
});

function stage(run: (input: { copyId: string }) => unknown = () => "done") {
  const build = vi.fn(() => ({ client: "a client" }));
  const seen: unknown[] = [];
  const handler = makeHandler({
    input: z.object({ copyId: z.string() }),
    build,
    run: async (input, dependencies, invocation) => {
      seen.push([input, dependencies, invocation.remainingMilliseconds()]);
      return run(input);
    },
  });
  return { build, seen, handler };
}

describe("a handler", () => {
  it("builds nothing when it is imported, and once for all of its calls", async () => {
    const { build, seen, handler } = stage();
    expect(build).not.toHaveBeenCalled();
    expect(await handler({ copyId: "c", more: 1 }, context)).toBe("done");
    await handler({ copyId: "d" }, context);
    expect(build).toHaveBeenCalledTimes(1);
    expect(seen[0]).toEqual([{ copyId: "c" }, { client: "a client" }, 1234]);
    expect(output.text()).toBe("");
  });

  it.each([1235, 1, 0, -3])("has a signal for a share of its %i ms, odd or over", async (remaining) => {
    const signals: AbortSignal[] = [];
    const handler = makeHandler({
      input: z.object({}),
      build: () => ({}),
      run: async (_input, _dependencies, { signalAfter }) => {
        signals.push(signalAfter(0.5));
      },
    });
    await handler({}, { ...context, getRemainingTimeInMillis: () => remaining });
    await vi.waitFor(() => expect(signals[0]?.aborted).toBe(true));
  });

  it("builds again at the next call when building failed", async () => {
    const { build, handler } = stage();
    build.mockImplementationOnce(() => {
      throw new CausewayError("ConfigurationInvalid", "TABLE is missing");
    });
    await expect(handler({ copyId: "c" }, context)).rejects.toMatchObject({ name: "ConfigurationInvalid" });
    expect(await handler({ copyId: "c" }, context)).toBe("done");
  });

  it.each([
    [{}, /copyId/],
    [{ copyId: 7 }, /copyId/],
    [undefined, /input/],
    ["text", /input/],
  ])("refuses %j by the field's name, before anything is built", async (event, field) => {
    const { build, handler } = stage();
    const error = await rejection(handler(event, context));
    expect(error).toMatchObject({ name: "InputInvalid", message: expect.stringMatching(field) });
    expect(build).not.toHaveBeenCalled();
  });

  it("names whatever is thrown, and logs it once with what a person needs", async () => {
    const error = new CausewayError("SourceRefused", "Forbidden.RAM", { details: { code: "Forbidden.RAM" } });
    const named = stage(() => Promise.reject(error));
    await expect(named.handler({ copyId: "c" }, context)).rejects.toBe(error);
    const unnamed = stage(() => Promise.reject(new TypeError("x is not a function")));
    await expect(unnamed.handler({ copyId: "c" }, context)).rejects.toMatchObject({ name: "UnexpectedFailure" });
    expect(output.lines()).toMatchObject([
      { level: "ERROR", message: "Forbidden.RAM", error: "SourceRefused", retryable: false, code: "Forbidden.RAM" },
      { level: "ERROR", message: "TypeError: x is not a function", error: "UnexpectedFailure" },
    ]);
  });

  it("lets no signed link out, by the log or by the error", async () => {
    const link = "https://host/a.xb?Expires=1&Signature=geheim%3D";
    for (const thrown of [new Error(`GET ${link}`), new CausewayError("SourceUnavailable", `GET ${link}`)]) {
      const { handler } = stage(() => Promise.reject(thrown));
      const error = await rejection(handler({ copyId: "c" }, context));
      expect(error.message).toContain("https://host/a.xb");
      expect(error.message).not.toContain("geheim");
    }
    expect(output.text()).not.toContain("geheim");
  });
});

describe("a lazy value", () => {
  it("is built at first use, kept, and not kept when building failed", () => {
    let builds = 0;
    const value = lazy(() => {
      builds += 1;
      if (builds === 1) throw new Error("not yet");
      return undefined;
    });
    expect(builds).toBe(0);
    expect(value).toThrowError("not yet");
    expect(value()).toBeUndefined();
    expect(value()).toBeUndefined();
    expect(builds).toBe(2);
  });
});
