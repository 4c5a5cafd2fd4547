// What a definition may hold; everything the local cloud would not run as AWS does is refused with its name and place.
import { describe, expect, test } from "vitest";
import { readDefinition } from "../../../local/step-functions/read-definition.ts";
import { functionArn } from "./rig.ts";

const end = { Type: "Pass", End: true };
const definition = (States: object, more: object = {}) =>
  JSON.stringify({ QueryLanguage: "JSONata", StartAt: Object.keys(States)[0], States, ...more });
const mapWith = (fields: object, ItemProcessor: object = {}) =>
  definition({
    M: {
      Type: "Map",
      ItemProcessor: {
        ProcessorConfig: { Mode: "DISTRIBUTED", ExecutionType: "STANDARD" },
        StartAt: "P",
        States: { P: end },
        ...ItemProcessor,
      },
      End: true,
      ...fields,
    },
  });

describe("readDefinition refuses", () => {
  test.each<[string, string, RegExp]>([
    [
      "JSONPath as the language",
      JSON.stringify({ StartAt: "A", States: { A: end } }),
      /JSONPath is not supported.*\/States\/A/,
    ],
    [
      "a JSONPath state in a JSONata machine",
      definition({ A: { ...end, QueryLanguage: "JSONPath" } }),
      /JSONPath is not supported/,
    ],
    ["JSONPath's fields", definition({ A: { ...end, InputPath: "$.a" } }), /'InputPath' belongs to JSONPath/],
    ["unknown fields", definition({ A: { ...end, Colour: 1 } }), /'Colour' is not supported at \/States\/A/],
    ["unknown state types", definition({ A: { Type: "Dance", End: true } }), /'Dance' is not known/],
    ["a Next to nowhere", definition({ A: { Type: "Pass", Next: "B" } }), /MISSING_TRANSITION_TARGET.*'B'/],
    ["a state without Next and End", definition({ A: { Type: "Pass" } }), /either Next or End/],
    [
      "task tokens",
      definition({ A: { Type: "Task", Resource: "arn:aws:states:::lambda:invoke.waitForTaskToken", End: true } }),
      /waitForTaskToken/,
    ],
    [
      "nested workflows by .sync",
      definition({ A: { Type: "Task", Resource: "arn:aws:states:::states:startExecution.sync:2", End: true } }),
      /request-response/,
    ],
    [
      "heartbeats",
      definition({ A: { Type: "Task", Resource: functionArn("f"), HeartbeatSeconds: 5, End: true } }),
      /'HeartbeatSeconds' is not supported/,
    ],
    [
      "SDK services it does not know",
      definition({ A: { Type: "Task", Resource: "arn:aws:states:::aws-sdk:ec2:runInstances", End: true } }),
      /'ec2'/,
    ],
    [
      "optimised integrations it does not know",
      definition({ A: { Type: "Task", Resource: "arn:aws:states:::sns:publish", End: true } }),
      /sns:publish/,
    ],
    ["expressions that do not parse", definition({ A: { ...end, Output: "{% $states.( %}" } }), /is not JSONata/],
    [
      "States.ALL beside others",
      definition({
        A: { Type: "Task", Resource: functionArn("f"), Retry: [{ ErrorEquals: ["States.ALL", "A"] }], End: true },
      }),
      /stands alone/,
    ],
    ["the same state name twice", mapWith({}, { StartAt: "M", States: { M: end } }), /used twice/],
    [
      "a CSV reader",
      mapWith({ ItemReader: { Resource: "arn:aws:states:::s3:getObject", ReaderConfig: { InputType: "CSV" } } }),
      /'CSV' is not supported/,
    ],
    [
      "distributed fields inline",
      mapWith({ Label: "L" }, { ProcessorConfig: { Mode: "INLINE" } }),
      /'Label' needs the mode DISTRIBUTED/,
    ],
    [
      "an inner scope that assigns an outer variable",
      definition({
        A: {
          Type: "Parallel",
          Branches: [{ StartAt: "B", States: { B: { ...end, Assign: { v: 1 } } } }],
          Assign: { v: 2 },
          End: true,
        },
      }),
      /'v' belongs to an outer scope/,
    ],
    ["text that is not JSON", "{", /not JSON/],
    ["a definition above 1 MiB", definition({ A: { ...end, Comment: "x".repeat(1_048_576) } }), /larger than 1 MiB/],
  ])("%s", (_what, text, message) => {
    expect(() => readDefinition(text)).toThrow(message);
    expect(() => readDefinition(text)).toThrow(expect.objectContaining({ code: "InvalidDefinition" }));
  });
});

test("a Distributed Map without a Label gets one that stays the same", () => {
  const label = () => {
    const state = readDefinition(mapWith({})).States.M;
    return state?.Type === "Map" ? state.Label : undefined;
  };
  expect(label()).toMatch(/^[0-9a-f]{32}$/);
  expect(label()).toBe(label());
});

test("children of a Distributed Map may use a variable name of their parent", () => {
  const inner = { StartAt: "P", States: { P: { ...end, Assign: { v: 1 } } } };
  expect(() => readDefinition(mapWith({ Assign: { v: 2 } }, inner))).not.toThrow();
});
