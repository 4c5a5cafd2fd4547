// What Lambda takes for a mapping, and what it makes of a function's answer to a batch.
import { describe, expect, test } from "vitest";
import { type EventSourceMapping, failedMessages, mappingFault } from "../../../local/lambda/event-source-mapping.ts";

const ids = ["one", "two"];

describe("an answer", () => {
  test.each([
    ["nothing", "null"],
    ["an empty object", "{}"],
    ["an empty list", '{"batchItemFailures":[]}'],
    ["a null list", '{"batchItemFailures":null}'],
    ["no text at all", ""],
  ])("of %s is success", (_name, answer) => {
    expect(failedMessages(answer, ids)).toEqual([]);
  });

  test.each([
    ["that is no JSON", "{"],
    ["that is a text", '"done"'],
    ["that is a list", "[]"],
    ["whose failures are no list", '{"batchItemFailures":"one"}'],
    ["with an id as the item", '{"batchItemFailures":["one"]}'],
    ["with an empty id", '{"batchItemFailures":[{"itemIdentifier":""}]}'],
    ["with a null id", '{"batchItemFailures":[{"itemIdentifier":null}]}'],
    ["with another key", '{"batchItemFailures":[{"messageId":"one"}]}'],
    ["with an unknown id after a known one", '{"batchItemFailures":[{"itemIdentifier":"one"},{"itemIdentifier":"x"}]}'],
    ["with null as the item", '{"batchItemFailures":[null]}'],
  ])("%s fails the whole batch", (_name, answer) => {
    expect(failedMessages(answer, ids)).toEqual(ids);
  });

  test("that names messages fails those alone", () => {
    expect(failedMessages('{"batchItemFailures":[{"itemIdentifier":"two"}]}', ids)).toEqual(["two"]);
  });
});

const fine: EventSourceMapping = {
  functionArn: "arn:aws:lambda:eu-central-1:1:function:f",
  queueArn: "arn:aws:sqs:eu-central-1:1:q",
  batchSize: 10,
  windowSeconds: 0,
  reportsItemFailures: true,
  enabled: true,
};
const limits = { functionTimeoutSeconds: 30, visibilityTimeoutSeconds: 30 };

describe("a mapping", () => {
  test("is taken as it is in the templates", () => {
    expect(mappingFault(fine, limits)).toBeUndefined();
    expect(mappingFault({ ...fine, batchSize: 10_000, windowSeconds: 300, maximumConcurrency: 2 }, limits)).toBe(
      undefined,
    );
  });

  test.each<[string, Partial<EventSourceMapping>, Partial<typeof limits>]>([
    ["BatchSize must be", { batchSize: 0 }, {}],
    ["BatchSize must be", { batchSize: 10_001, windowSeconds: 1 }, {}],
    ["needs a MaximumBatchingWindowInSeconds", { batchSize: 11 }, {}],
    ["from 0 to 300", { windowSeconds: 301 }, {}],
    ["from 2 to 1000", { maximumConcurrency: 1 }, {}],
    ["29 seconds is less than Function timeout: 30", {}, { visibilityTimeoutSeconds: 29 }],
  ])("is refused: %s", (sentence, change, changedLimits) => {
    expect(mappingFault({ ...fine, ...change }, { ...limits, ...changedLimits })).toContain(sentence);
  });
});
