// What the relay's commands make of answers that a local cloud hardly gives: lost ones, and tables that were cut.
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ApiClient } from "../../cli/api/api-client.ts";
import { ApiProblem } from "../../cli/api/api-problem.ts";
import { doOnce } from "../../cli/api/do-once.ts";
import { showUsage } from "../../cli/commands/relay-usage-commands.ts";
import { UsageProblem } from "../../cli/usage-problem.ts";

const connection = { url: "https://api.example.com", isLocal: false, again: "sign in", token: async () => "token" };
const client = new ApiClient(connection);
const said = { stdout: "", stderr: "" };

beforeEach(() => {
  Object.assign(said, { stdout: "", stderr: "" });
  for (const stream of ["stdout", "stderr"] as const) {
    vi.spyOn(process[stream], "write").mockImplementation((text) => {
      said[stream] += String(text);
      return true;
    });
  }
});

afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

describe("work that must not be done twice", () => {
  const failing = (error: unknown) => doOnce(client, "key-1", () => Promise.reject(error));
  const problem = (status: number, name: ApiProblem["data"]["name"]) =>
    new ApiProblem(status, "It failed.", { name, fields: [], retryable: true, requestId: "r-1" });
  const lost = new UsageProblem("It cannot be reached.", { cause: Object.assign(new Error(), { code: "ECONNRESET" }) });

  it.each([problem(503, "AwsUnavailable"), problem(409, "StillWorking"), lost])(
    "is told with the words that finish it where its end is not known: %s",
    async (error) => {
      await expect(failing(error)).rejects.toThrow(/\nWhether it was done is not known\. .* --key key-1 finds out/);
    },
  );

  it.each([
    problem(400, "InputInvalid"),
    problem(403, "Forbidden"),
    new UsageProblem("Nothing listens.", { cause: Object.assign(new Error(), { code: "ECONNREFUSED" }) }),
  ])("is told as it is where nothing was done: %s", async (error) => {
    await expect(failing(error)).rejects.toBe(error);
  });

  it("lets go of Ctrl-C when it is over", async () => {
    const before = process.listenerCount("SIGINT");
    expect(await doOnce(client, "key-1", async () => process.listenerCount("SIGINT"))).toBe(before + 1);
    expect(process.listenerCount("SIGINT")).toBe(before);
  });
});

describe("a table of usage that was cut", () => {
  const figures = {
    ...{ requests: 1, refused: 0, failed: 0, inputTokens: 1, cacheWrite5mTokens: 0, cacheWrite1hTokens: 0 },
    ...{ cacheReadTokens: 0, outputTokens: 1, reasoningTokens: 0, serverToolRequests: 0, chargedNanoUsd: 5 },
    ...{ realNanoUsd: 5, overrunNanoUsd: 0, milliseconds: 1, firstByteMilliseconds: 1, firstBytes: 1 },
  };
  const answerWith = (body: string) => vi.stubGlobal("fetch", async () => new Response(body));
  const asked = { by: "model", csv: false, json: false };
  const answer = (isCut: boolean) =>
    JSON.stringify({
      ...{ code: 0, message: "ok" },
      data: { from: "", to: "", groupBy: ["model"], rows: [{ model: "a", ...figures }], total: figures, isCut },
    });
  const csv = (groups: number) => `model,requests\r\n${"a,1\r\n".repeat(groups)}(other),2\r\n`;

  it("says so, and how to see the rest", async () => {
    answerWith(answer(true));
    await showUsage(client, asked);
    expect(said.stdout).toMatch(/There are more groups than these 1; the total is of all\. A shorter time/);
    answerWith(csv(5000));
    await showUsage(client, { ...asked, csv: true });
    expect(said.stdout).toContain(csv(5000));
    expect(said.stderr).toMatch(/more groups than these 5000; .* The sum of the others is the last line, \(other\)/);
  });

  it("and one that is whole does not", async () => {
    answerWith(answer(false));
    await showUsage(client, asked);
    answerWith(csv(4999));
    await showUsage(client, { ...asked, csv: true });
    expect(said.stdout + said.stderr).not.toContain("more groups");
  });
});
