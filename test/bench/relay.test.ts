// The relay benchmark runs from end to end with little, without its peer, and its figures and options are what they say.
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { type CaseName, caseNames, loadCase, requestBody } from "../../bench/relay/cases.ts";
import { percentile } from "../../bench/relay/load.ts";
import { addedLine, coldStartText, jsonOf, ratioLine, storageText, tableOf } from "../../bench/relay/report.ts";
import { medians } from "../../bench/relay/run-case.ts";
import { assemblyVariable, testAssembly } from "../test-assembly.ts";

const run = promisify(execFile);
const bench = (...options: string[]) =>
  run(process.execPath, ["--disable-warning=ExperimentalWarning", "bench/relay.ts", ...options], {
    env: { ...process.env, [assemblyVariable]: testAssembly },
  });

const cpu = {
  ownCpu: expect.any(Number),
  frontCpu: expect.any(Number),
  storeCpu: expect.any(Number),
  otherFunctionsCpu: expect.any(Number),
};
const answers = {
  requestsPerSecond: expect.any(Number),
  p50: expect.any(Number),
  p99: expect.any(Number),
  ...cpu,
};
const streams = {
  firstByteP50: expect.any(Number),
  firstByteP99: expect.any(Number),
  eventsPerSecond: expect.any(Number),
  ...cpu,
};

describe("npm run bench:relay", () => {
  test("measures answers and streams, and prints JSON and nothing else", { timeout: 120_000 }, async () => {
    const contestants = ["--contestants", "direct,floor,causeway", "--cases", "json-1,streams"];
    const { stdout } = await bench("--quick", ...contestants, "--json");
    const { machine, cases } = JSON.parse(stdout) as Record<string, unknown>;
    expect(machine).toEqual({
      node: process.versions.node,
      processors: expect.any(Number),
      loadBefore: expect.any(Number),
      loadAfter: expect.any(Number),
      peer: null,
    });
    expect(cases).toEqual({
      "json-1": { direct: answers, floor: answers, causeway: answers },
      streams: { direct: streams, floor: streams, causeway: streams },
    });
    expect(cases).toHaveProperty(
      "streams.causeway.ownCpu",
      expect.toSatisfy((value: number) => value > 0),
    );
  });

  test.each([
    [["--cases", "moon"], /--cases may name json-1, .*, not moon/],
    [["--contestants", "nobody"], /--contestants may name direct, .*, not nobody/],
    [["--runs", "0"], /--runs must be a whole number/],
    [["--body", "much"], /--body must be a number of bytes/],
    [["--fast"], /--fast/],
  ])("%j ends with a sentence", async (options, sentence) => {
    await expect(bench(...options)).rejects.toMatchObject({ code: 2, stderr: expect.stringMatching(sentence) });
  });

  test("--help names every case", async () => {
    const { stdout } = await bench("--help");
    for (const name of caseNames) expect(stdout).toContain(name);
  });
});

describe("the cases", () => {
  test("have their usual numbers of requests, and a share of them", () => {
    expect(loadCase("json-64", 1).step.load).toEqual({ kind: "closed", connections: 64, requests: 3000 });
    expect(loadCase("json-64", 0.1).step.load).toEqual({ kind: "closed", connections: 64, requests: 300 });
    expect(loadCase("paced", 1).step.load).toEqual({ kind: "paced", perSecond: 50, requests: 500 });
    expect(loadCase("held", 1).step.load).toEqual({ kind: "closed", connections: 500, requests: 500 });
  });

  test("ask with as many bytes as they are told", () => {
    const { stream, messages } = JSON.parse(requestBody(true, 1000)) as {
      stream: boolean;
      messages: { content: string }[];
    };
    expect(stream).toBe(true);
    expect(messages[0]?.content).toHaveLength(1000);
  });
});

describe("the report", () => {
  const figures = {
    direct: { p50: 1, ownCpu: 0, frontCpu: 0 },
    causeway: { p50: 4, ownCpu: 900, frontCpu: 300 },
    portkey: { p50: 2, ownCpu: 450, frontCpu: 0 },
  };

  test("takes medians of each figure by itself", () => {
    const runs = [1, 9, 4].map((value) => ({ floor: { p50: value, p99: 10 - value } }));
    expect(medians(runs, ["floor"])).toEqual({ floor: { p50: 4, p99: 6 } });
  });

  test("prints only what a contestant has, and how far Causeway is from what it is to reach", () => {
    const lines = tableOf("JSON", figures, 3).split("\n");
    expect(lines[1]).toBe("JSON; medians of 3");
    expect(lines[2]).toMatch(/p50 ms +CPU ms\/1,000 +front\+host$/);
    expect(lines[3]).toMatch(/^direct +1\.00 +- +-$/);
    expect(lines[4]).toMatch(/^causeway +4\.00 +900\.0 +300\.0$/);
    expect(lines[5]).toMatch(/^portkey +2\.00 +450\.0 +-$/);
    expect(ratioLine(figures, "ownCpu", 2.5)).toBe(
      "causeway's own CPU is 2.00 times portkey's (to reach: at most 2.5 times portkey's)",
    );
    expect(ratioLine({ causeway: figures.causeway }, "ownCpu", 2.5)).toBeUndefined();
    expect(addedLine(figures)).toBeUndefined();
    expect(addedLine({ causeway: { addedP50: 3.456 } })).toMatch(/^causeway adds 3\.46 ms/);
  });

  test("sums storage calls by when they came", () => {
    const before = { "UpdateItem RelayKeys": 1, "Query RelayAccounts": 0.2 };
    const waits = { waitsBeforeFirstByte: 2.04, waitsAfterLastByte: 1.96 };
    const stream = { beforeFirstByte: before, during: {}, afterLastByte: {}, ...waits };
    const text = storageText({ stream, duringLongStream: { "UpdateItem RelayKeys": 3 }, longTokens: 9000 });
    expect(text).toMatch(/before the first byte: 1\.2 calls in 2\.0 waits/);
    expect(text).toMatch(/after the last byte: 0 calls in 2\.0 waits/);
    expect(text).toMatch(/while 9000 output tokens stream: 3\n +3 {2}UpdateItem RelayKeys/);
  });

  test("tells what a cold start costs", () => {
    const cold = { bundleKiB: 700, initMilliseconds: 90, firstAnswerMilliseconds: 400, secondAnswerMilliseconds: 9 };
    expect(coldStartText(cold)).toMatch(/700 KiB and loads in 90 ms\n.* 400 ms, the next one: 9 ms/);
  });

  test("rounds its JSON", () => {
    const machine = { node: "24", processors: 2, loadBefore: 0.12345, loadAfter: 1, peer: null };
    const name: CaseName = "json-1";
    expect(JSON.parse(jsonOf(machine, { [name]: { floor: { p50: 1.23456 } } }))).toEqual({
      machine: { ...machine, loadBefore: 0.123 },
      cases: { "json-1": { floor: { p50: 1.235 } } },
    });
  });
});

test("a percentile is one of the values, and of none it is none", () => {
  const values = [5, 1, 4, 2, 3];
  expect(percentile(values, 0.5)).toBe(3);
  expect(percentile(values, 0.99)).toBe(5);
  expect(percentile([], 0.5)).toBeNaN();
});
