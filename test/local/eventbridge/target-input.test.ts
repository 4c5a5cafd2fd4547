// What a target receives: Input, InputPath, InputTransformer.
import { describe, expect, test } from "vitest";
import { compileTargetInput } from "../../../local/eventbridge/target-input.ts";
import type { CloudEvent } from "../../../local/gateway/ports.ts";

const event: CloudEvent = {
  version: "0",
  id: "1",
  "detail-type": "Object Created",
  source: "aws.s3",
  account: "111122223333",
  time: "2026-11-20T12:00:00Z",
  region: "eu-central-1",
  resources: ["arn:aws:s3:::backups"],
  detail: { bucket: { name: "backups" }, key: 'a "quoted" name', size: 3, tags: ["x", "y"] },
};
const rule = { ruleArn: "arn:rule", ruleName: "mirror", ingestionTime: "2026-11-20T12:00:01Z" };
const transform = (InputTemplate: string, InputPathsMap: Record<string, string> = {}) =>
  compileTargetInput({ InputTransformer: { InputTemplate, InputPathsMap } })(event, rule);

describe("what a target receives", () => {
  test("is the event unless something else is asked", () => {
    expect(JSON.parse(compileTargetInput({})(event, rule))).toEqual(event);
    expect(compileTargetInput({ Input: '{"fixed":true}' })(event, rule)).toBe('{"fixed":true}');
  });

  test.each([
    ["$.detail.bucket.name", '"backups"'],
    ["$.detail.tags[1]", '"y"'],
    ["$['detail-type']", '"Object Created"'],
    ["$.detail.bucket", '{"name":"backups"}'],
    ["$.detail.none.deeper", "null"],
  ])("is a part of the event by the path %s", (InputPath, expected) => {
    expect(compileTargetInput({ InputPath })(event, rule)).toBe(expected);
  });

  test("is JSON made from a template, with values in and outside of quotes", () => {
    const made = transform(
      '{"key": <key>, "text": "at <key>, <size> bytes", "tags": <tags>, "rule": "<aws.events.rule-name>"}',
      {
        key: "$.detail.key",
        size: "$.detail.size",
        tags: "$.detail.tags",
      },
    );
    expect(JSON.parse(made)).toEqual({
      key: 'a "quoted" name',
      text: 'at a "quoted" name, 3 bytes',
      tags: ["x", "y"],
      rule: "mirror",
    });
  });

  test("can hold the whole event, with or without its detail", () => {
    const made = JSON.parse(transform('{"all": <aws.events.event.json>, "head": <aws.events.event>}'));
    const { detail: _, ...head } = event;
    expect(made).toEqual({ all: event, head });
  });

  test("is empty where a path leads nowhere", () => {
    expect(transform('{"a": <x>, "b": "<x>"}', { x: "$.detail.none" })).toBe('{"a": "", "b": ""}');
  });

  test("cannot be two things at once, nor a path that is not understood", () => {
    expect(() => compileTargetInput({ Input: "1", InputPath: "$" })).toThrow("Only one");
    expect(() => compileTargetInput({ InputPath: "$.detail[*].x" })).toThrow("$.detail[*].x");
  });
});
