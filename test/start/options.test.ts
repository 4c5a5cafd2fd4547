// What `npm start -- …` understands, and the sentence for each thing that can end it.
import path from "node:path";
import { describe, expect, it } from "vitest";
import { projectFolder, stateFolder } from "../../cli/project-folder.ts";
import { describeFired, describeRule } from "../../local/start/describe-faults.ts";
import { callersFolder, parseStartOptions } from "../../local/start/options.ts";
import { SentenceError, sentenceOf } from "../../local/start/sentence-error.ts";
import { storm, stormBesides } from "../../local/start/storm.ts";
import { runNode } from "../run-command.ts";

describe("options", () => {
  it("have defaults that a first start needs nothing else than", () => {
    expect(parseStartOptions([], "/home/me")).toEqual({
      once: false,
      backups: [],
      sizeBytes: 300 * 1024 ** 2,
      faultSeed: undefined,
      port: 4566,
      dynamodbEndpoint: undefined,
      stateDirectory: stateFolder,
    });
  });

  it("are explained by --help in words for people, defaults too", async () => {
    const { code, stdout } = await runNode(["local/start.ts", "--help"]).ended;
    const help = stdout.replace(/\s+/g, " ");
    expect(code).toBe(0);
    expect(help).toContain("such as 50MiB or 2GiB; default: 300MiB");
    expect(help).toContain(
      "the next eight are Aliyun's, the sign-in's, the relay's, the API's, WeCom's and the AI providers'",
    );
    expect(help).not.toMatch(/default: (?:false|\[\]|\d{6,})/);
  });

  it("take paths from where npm was called, several backups, and sizes in the usual units", () => {
    const words = "--once --backup a.xb --backup /b.xb --size 1.5GiB --faults 42 --port 0 --state data";
    expect(
      parseStartOptions([...words.split(" "), "--dynamodb-endpoint", "http://127.0.0.1:8000/"], "/home/me"),
    ).toEqual({
      once: true,
      backups: ["/home/me/a.xb", "/b.xb"],
      sizeBytes: 1.5 * 1024 ** 3,
      faultSeed: 42,
      port: 0,
      dynamodbEndpoint: "http://127.0.0.1:8000",
      stateDirectory: "/home/me/data",
    });
    expect(callersFolder({ INIT_CWD: "/home/me" }, projectFolder)).toBe("/home/me");
    expect(callersFolder({ INIT_CWD: "/home/me" }, "/elsewhere")).toBe("/elsewhere");
  });

  const wrong: readonly (readonly [string, RegExp])[] = [
    ["--size 3", /Give a size from 1MiB to 64GiB/],
    ["--size 50XB", /Give a size from 1MiB to 64GiB/],
    ["--port 65535", /Give a port from 0 to 65527/],
    ["--faults storm", /Give a whole number/],
    ["--dynamodb-endpoint localhost", /Give an address such as/],
    ["--backups x", /unknown option '--backups'/],
    ["something", /too many arguments/],
    ["--state=", /--state <folder>.*Give a folder/],
  ];
  it("that make no sense end with a sentence and where to find help", async () => {
    const ended = await Promise.all(wrong.map(([words]) => runNode(["local/start.ts", ...words.split(" ")]).ended));
    for (const [index, [words, sentence]] of wrong.entries()) {
      expect(ended[index]?.code, words).toBe(1);
      expect(ended[index]?.stderr).toMatch(sentence);
      expect(ended[index]?.stderr).toContain("npm start -- --help");
      expect(ended[index]?.stderr).not.toMatch(/\n {4}at /);
    }
  });
});

describe("the sentence for an error", () => {
  const coded = (code: string, extra: object = {}) => Object.assign(new Error(`${code}: it failed`), { code }, extra);
  const state = path.join("/data", "state");

  it.each([
    [coded("ENOSPC"), /^The disk of \/data\/state is full\. .*rm -r \/data\/state$/],
    [coded("ERR_SQLITE_ERROR"), /^The local cloud's data in \/data\/state cannot be read \(.*\)\. Clear it: rm -r/],
    [new Error("database or disk is full"), /^The disk of/],
    [coded("EACCES", { path: "/data" }), /^\/data is not writable\. Choose another folder with --state\.$/],
    [new SentenceError("What is wrong, and the cure."), /^What is wrong, and the cure\.$/],
    [
      new TypeError("undefined is not a function"),
      /which is a defect of it: undefined is not a function\. With DEBUG=1/,
    ],
  ])("%s", (error, sentence) => {
    expect(sentenceOf(error, state)).toMatch(sentence);
  });

  it("names the reset command for the usual folder, and never repeats what a broken file holds", () => {
    let error: unknown;
    try {
      JSON.parse('{"secretAccessKey": "AbCdEf" oops');
    } catch (thrown) {
      error = thrown;
    }
    expect(sentenceOf(error, stateFolder)).toMatch(/a file is not JSON.*Clear it: npm run local:reset$/);
    expect(sentenceOf(error, stateFolder)).not.toContain("AbCdEf");
  });
});

describe("faults in words", () => {
  it("name service, operation, trouble and when", () => {
    const [rule] = [
      { service: "s3", operation: "UploadPart", fromCall: 5, times: 3, effect: { kind: "throttle" } } as const,
    ];
    expect(describeRule(rule)).toBe("s3 UploadPart is throttled, 3 times from call 5 on");
    for (let seed = 0; seed < 50; seed += 1) {
      for (const each of [...storm(seed), ...stormBesides(seed)]) {
        expect(describeRule(each)).not.toContain("undefined");
      }
      expect(stormBesides(seed)).toEqual(stormBesides(seed));
      expect(stormBesides(seed).length).toBeGreaterThanOrEqual(1);
    }
  });

  it("are counted when they struck", () => {
    const fired = { service: "s3", operation: "UploadPart", resource: "b/k", effect: { kind: "reset" } } as const;
    expect(describeFired([fired, fired, { ...fired, operation: "PutObject" }])).toEqual([
      "s3 UploadPart has its connection reset (2 times)",
      "s3 PutObject has its connection reset",
    ]);
  });
});
