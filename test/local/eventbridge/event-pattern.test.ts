// Event patterns as EventBridge matches them.
import { describe, expect, test } from "vitest";
import { compileEventPattern } from "../../../local/eventbridge/event-pattern.ts";

const event = {
  source: "aws.s3",
  "detail-type": "Object Created",
  resources: ["arn:aws:s3:::backups", "arn:aws:s3:::other"],
  detail: {
    bucket: { name: "backups" },
    object: { key: "mysql/2026/a.xb", size: 4096, etag: null, final: true },
    "source-ip-address": "10.1.2.3",
    parts: [
      { number: 1, state: "done" },
      { number: 2, state: "open" },
    ],
    empty: [],
  },
};

const detail = (pattern: object) => ({ detail: pattern });
const key = (...alternatives: unknown[]) => detail({ object: { key: alternatives } });
const size = (...alternatives: unknown[]) => detail({ object: { size: alternatives } });

describe("patterns", () => {
  test.each<[string, object]>([
    ["an exact value", { source: ["aws.s3"] }],
    ["one of several values", { source: ["aws.rds", "aws.s3"] }],
    ["one element of an array in the event", { resources: ["arn:aws:s3:::other"] }],
    ["numbers, null and booleans", detail({ object: { size: [4096], etag: [null], final: [true] } })],
    ["prefix", key({ prefix: "mysql/" })],
    ["prefix in any case", key({ prefix: { "equals-ignore-case": "MySQL/" } })],
    ["suffix", key({ suffix: ".xb" })],
    ["suffix in any case", key({ suffix: { "equals-ignore-case": ".XB" } })],
    ["the same in any case", key({ "equals-ignore-case": "MYSQL/2026/A.XB" })],
    ["wildcard", key({ wildcard: "mysql/*/a.xb" })],
    ["anything but a value", key({ "anything-but": "x" })],
    ["anything but a list", key({ "anything-but": ["x", "y"] })],
    ["anything but a prefix", key({ "anything-but": { prefix: "tmp/" } })],
    ["anything but several suffixes", key({ "anything-but": { suffix: [".tmp", ".log"] } })],
    ["anything but a wildcard", key({ "anything-but": { wildcard: "*/tmp/*" } })],
    ["numeric range", size({ numeric: [">", 0, "<=", 4096] })],
    ["numeric equality", size({ numeric: ["=", 4096] })],
    ["an address in a block", detail({ "source-ip-address": [{ cidr: "10.1.0.0/16" }] })],
    ["a field that is there", key({ exists: true })],
    ["a field that is not there", detail({ object: { version: [{ exists: false }] } })],
    ["a field below an object that is not there", detail({ user: { name: [{ exists: false }] } })],
    ["an empty array is as good as absent", detail({ empty: [{ exists: false }] })],
    ["one of two branches", detail({ $or: [{ bucket: { name: ["x"] } }, { object: { size: [4096] } }] })],
    ["two fields of one element of an array of objects", detail({ parts: { number: [2], state: ["open"] } })],
  ])("match %s", (_name, pattern) => {
    expect(compileEventPattern(pattern)(event)).toBe(true);
  });

  test.each<[string, object]>([
    ["another value", { source: ["aws.rds"] }],
    ["the text of a number", size("4096")],
    ["a field that is missing", { account: ["1"] }],
    ["a field whose value is an object", detail({ bucket: ["backups"] })],
    ["another prefix", key({ prefix: "MYSQL/" })],
    ["a wildcard that is anchored elsewhere", key({ wildcard: "2026/*" })],
    ["a dot is no wildcard", key({ wildcard: "mysql/2026/a?xb" })],
    ["a listed value in anything-but", key({ "anything-but": ["x", "mysql/2026/a.xb"] })],
    ["a missing field in anything-but", detail({ object: { version: [{ "anything-but": "x" }] } })],
    ["a number outside its range", size({ numeric: [">", 0, "<", 4096] })],
    ["an address outside the block", detail({ "source-ip-address": [{ cidr: "10.2.0.0/16" }] })],
    ["an object is no leaf to exists", detail({ object: [{ exists: true }] })],
    ["all fields must match", { source: ["aws.s3"], "detail-type": ["Object Deleted"] }],
    ["fields of different elements of an array", detail({ parts: { number: [1], state: ["open"] } })],
    ["neither branch", detail({ $or: [{ bucket: { name: ["x"] } }, { object: { size: [1] } }] })],
  ])("do not match: %s", (_name, pattern) => {
    expect(compileEventPattern(pattern)(event)).toBe(false);
  });

  test("an escaped star in a wildcard stands for itself", () => {
    const matches = compileEventPattern({ name: [{ wildcard: "a\\*b\\\\*" }] });
    expect([{ name: "a*b\\c" }, { name: "axb\\c" }].map(matches)).toEqual([true, false]);
  });

  test.each<[string, object, string]>([
    ["an unknown operator", key({ regex: "x" }), 'detail.object.key has the unknown operator "regex"'],
    ["an unknown comparison", size({ numeric: ["!=", 1] }), '"!="'],
    ["a bare value instead of an array", { source: "aws.s3" }, "source must be an object or an array"],
    ["an empty array", { source: [] }, "source must not be an empty array"],
    ["two operators in one object", key({ prefix: "a", suffix: "b" }), "one operator per object"],
    ["a bad block", detail({ ip: [{ cidr: "10.0.0.0/33" }] }), "10.0.0.0/33"],
  ])("refuse %s and say where it stands", (_name, pattern, sentence) => {
    expect(() => compileEventPattern(pattern)).toThrow(sentence);
  });
});
