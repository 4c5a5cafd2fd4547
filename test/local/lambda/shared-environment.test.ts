// One environment that runs several invocations at the same time: kept apart, and what becomes of them when it breaks.
import http from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { asynchronousDefaults, type FunctionDefinition } from "../../../local/lambda/function-definition.ts";
import { LambdaHost } from "../../../local/lambda/lambda-host.ts";
import { Clock, type ClockOptions } from "../../../local/rig/clock.ts";
import { Faults } from "../../../local/rig/faults.ts";

const functionArn = "arn:aws:lambda:eu-central-1:111122223333:function:shared";
const shared: FunctionDefinition = {
  name: "shared",
  arn: functionArn,
  handler: "index.handler",
  codeDirectory: path.resolve("test/fixtures/local/functions/shared"),
  environment: {},
  memoryMb: 64,
  timeoutSeconds: 60,
  concurrentInvocations: 8,
  credentials: { arn: "role", accessKeyId: "ASIATEST", secretAccessKey: "secret" },
  logGroupName: "/aws/lambda/shared",
  asynchronous: asynchronousDefaults,
};

const hosts: LambdaHost[] = [];
const clocks: Clock[] = [];
/** Paths that were asked for. */
const asked: string[] = [];
const server = http.createServer((request, response) => {
  asked.push(request.url ?? "");
  response.end("ok");
});
let url = "";

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => server.close());
afterEach(async () => {
  for (const host of hosts.splice(0)) await host.close();
  for (const clock of clocks.splice(0)) clock.close();
  asked.length = 0;
});

function rig(change: Partial<FunctionDefinition> = {}, clockOptions: ClockOptions = {}) {
  const clock = new Clock(clockOptions);
  const faults = new Faults();
  const lines: string[] = [];
  const host = new LambdaHost({
    ...{ clock, faults, region: "eu-central-1", accountId: "111122223333" },
    endpointUrl: () => "http://127.0.0.1:1",
    onLog: (_definition, line) => lines.push(line),
  });
  host.addFunction({ ...shared, ...change });
  hosts.push(host);
  clocks.push(clock);
  const run = async (event: object) => {
    const { payload, error, logTail } = await host.run(functionArn, JSON.stringify(event));
    return { text: payload, error: error?.errorMessage.replace(/^RequestId: \S+ /, ""), logTail };
  };
  return { host, faults, lines, run };
}

const ids = (count: number) => Array.from({ length: count }, (_none, id) => id);

describe("a shared environment", () => {
  test("runs as many invocations at once as it is allowed, in one thread, and keeps their streams apart", async () => {
    const { run, host } = rig();
    const pieces = 50;
    const outcomes = await Promise.all(ids(8).map((id) => run({ do: "pieces", id, together: 8, pieces })));
    expect(outcomes.map(({ text }) => text)).toEqual(
      ids(8).map((id) =>
        ids(pieces)
          .map((piece) => `${id}:${piece};`)
          .join(""),
      ),
    );
    expect(host.warmThreads).toBe(1);
  });

  test("gets company when it is full", async () => {
    const { run, host } = rig({ concurrentInvocations: 2 });
    await Promise.all(ids(4).map((id) => run({ do: "pieces", id, together: 2, pieces: 1 })));
    expect(host.warmThreads).toBe(2);
  });

  test("gives each invocation its own context, store and log", async () => {
    const { run, lines } = rig();
    const outcomes = await Promise.all(ids(8).map((id) => run({ do: "whoAmI", id, together: 8 })));
    const seen = outcomes.map(({ text }) => JSON.parse(text));
    expect(new Set(seen.flatMap((each) => each.ids)).size).toBe(8);
    for (const [id, each] of seen.entries()) {
      expect(new Set(each.ids).size).toBe(1);
      expect(each).toMatchObject({ mine: id, most: "8" });
      expect(each).not.toHaveProperty("traceInEnvironment");
      expect(outcomes[id]?.logTail).toBe(`before ${id}\nafter ${id}\n`);
    }
    expect(lines).toHaveLength(16);
  });

  test("hands pieces on while the others write, and does not wait for a reader that is slow", async () => {
    const { host } = rig();
    const taken: string[] = [];
    let free = () => undefined as undefined;
    const held = new Promise<void>((resolve) => {
      free = () => void resolve() as undefined;
    });
    const slow = host.run(
      functionArn,
      JSON.stringify({ do: "pieces", id: "s", together: 2, pieces: 300, bytes: 1000 }),
      {
        onChunk: () => held,
      },
    );
    await host.run(functionArn, JSON.stringify({ do: "pieces", id: "q", together: 2, pieces: 9 }), {
      onChunk: (bytes) => void taken.push(String(bytes)),
    });
    expect(taken.join("")).toBe(
      ids(9)
        .map((piece) => `q:${piece};`)
        .join(""),
    );
    // Far more than its window: it waits for its reader.
    expect(host.lastInvocations).toHaveLength(1);
    free();
    expect((await slow).error).toBeUndefined();
  });
});

describe("trouble in a shared environment", () => {
  const kill = { service: "lambda", operation: "shared" } as const;

  test("a kill ends all that run in it, and the next ones get a new one", async () => {
    const { run, faults } = rig();
    faults.add({ ...kill, effect: { kind: "kill", atCall: 1, when: "before" } });
    const outcomes = await Promise.all([
      run({ do: "call", together: 3, urls: [`${url}/first`] }),
      run({ do: "stand", together: 3 }),
      run({ do: "stand", together: 3 }),
    ]);
    const killed = "Error: Runtime exited with error: signal: killed";
    expect(outcomes.map(({ error }) => error)).toEqual([killed, killed, killed]);
    expect(asked).toEqual([]);
    expect((await run({ do: "pieces", id: 1, together: 1, pieces: 1 })).text).toBe("1:0;");
  });

  test.each([false, true])(
    "a kill of one invocation leaves the others alone, and nothing more of it gets out (fetch: %s)",
    async (usesFetch) => {
      const { run, faults, host } = rig();
      faults.add({ ...kill, effect: { kind: "kill", atCall: 2, when: "before", scope: "invocation" } });
      const urls = (name: string) => ids(4).map((number) => `${url}/${name}${number}`);
      const outcomes = await Promise.all([
        run({ do: "call", together: 2, urls: urls("dead"), fetch: usesFetch }),
        run({ do: "call", together: 2, urls: urls("alive"), fetch: usesFetch }),
      ]);
      expect(outcomes.map(({ error }) => error)).toEqual([
        "Error: Runtime exited with error: signal: killed",
        undefined,
      ]);
      expect(outcomes[1]?.text).toBe("200 200 200 200 ");
      expect(asked.filter((path) => path.startsWith("/dead"))).toEqual(["/dead0"]);
      expect(asked.filter((path) => path.startsWith("/alive"))).toHaveLength(4);
      expect(host.lastInvocations.find(({ error }) => error === undefined)?.outgoingCalls).toBe(4);
    },
  );

  test("one that is given up leaves the others alone", async () => {
    const { host } = rig();
    const giveUp = new AbortController();
    const given = host.run(functionArn, JSON.stringify({ do: "stand", together: 2 }), { signal: giveUp.signal });
    const taken: string[] = [];
    // By its first piece both are under way.
    const other = host.run(functionArn, JSON.stringify({ do: "pieces", id: "other", together: 2, pieces: 30 }), {
      onChunk(bytes) {
        taken.push(String(bytes));
        giveUp.abort(new Error("no more interest"));
        return undefined;
      },
    });
    await expect(given).rejects.toThrow("no more interest");
    expect((await other).error).toBeUndefined();
    expect(taken.join("").split(";")).toHaveLength(31);
  });

  test("a timeout is told in Lambda's words", async () => {
    const { run, lines } = rig({ timeoutSeconds: 1 }, { speed: 10 });
    const outcomes = await Promise.all(ids(2).map(() => run({ do: "stand", together: 2 })));
    const error = "Error: Task timed out after 1.00 seconds";
    expect(outcomes.map((outcome) => outcome.error)).toEqual([error, error]);
    expect(lines.filter((line) => line.includes("timed out"))).toHaveLength(2);
  });

  test("code that runs on behind its end sees a number below 0", async () => {
    const { run } = rig({ timeoutSeconds: 1 }, { speed: 2 });
    // It runs on only as long as another keeps the environment; on a busy machine that other may come too late.
    for (let attempt = 0; attempt < 30 && !asked.includes("/behind"); attempt += 1) {
      asked.length = 0;
      let isOver = false;
      const late = run({ do: "remaining", url }).finally(() => {
        isOver = true;
      });
      while (!isOver && !asked.includes("/begun")) await wait(5);
      await wait(250);
      const outcomes = await Promise.all([late, run({ do: "stand", together: 1 })]);
      for (const { error } of outcomes) expect(error).toBe("Error: Task timed out after 1.00 seconds");
    }
    expect(asked).toContain("/behind");
  });

  test("an error that nobody catches ends all that run in it", async () => {
    const { run } = rig();
    const outcomes = await Promise.all([run({ do: "crash", together: 2 }), run({ do: "stand", together: 2 })]);
    expect(outcomes.map(({ error }) => error)).toEqual(["nobody catches this", "nobody catches this"]);
  });
});
