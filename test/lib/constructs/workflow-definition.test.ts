// Reading an .asl.json: placeholders, Distributed Maps however deep, and the mistakes that must not reach a deployment.
import { describe, expect, it } from "vitest";
import {
  checkPlaceholders,
  readWorkflowDefinition,
  WorkflowDefinitionError,
} from "../../../lib/constructs/workflow-definition.ts";

/** A placeholder as it stands in a definition. */
const slot = (name: string) => `\${${name}}`;

const innerMap = {
  Type: "Map",
  Label: "Inner",
  ItemProcessor: { ProcessorConfig: { Mode: "DISTRIBUTED" }, States: { Leaf: { Type: "Pass" } } },
  ItemReader: { Arguments: { Bucket: slot("Lists"), Key: "{% $key %}" } },
};
const outerMap = {
  Type: "Map",
  Label: "Outer",
  ItemProcessor: { ProcessorConfig: { Mode: "DISTRIBUTED" }, States: { "Each part": innerMap } },
  ResultWriter: { Arguments: { Bucket: slot("Results"), Prefix: "runs/" } },
};

function read(states: object) {
  return readWorkflowDefinition("a.asl.json", JSON.stringify({ StartAt: "A", States: states }), 60);
}

describe("a document in a definition", () => {
  const withDocument = (document: string | object) =>
    readWorkflowDefinition("a.asl.json", JSON.stringify({ States: { A: { Assign: { given: slot("Given") } } } }), 60, {
      Given: document as string,
    });

  it("takes its placeholder's place, and is no placeholder any more", () => {
    const { text, placeholders } = withDocument({ orders: { host: "h", ports: [1] } });
    expect(JSON.parse(text).States.A.Assign).toEqual({ given: { orders: { host: "h", ports: [1] } } });
    expect([...placeholders]).toEqual([]);
  });

  it.each([["{% $states %}"], [{ name: "{% evil %}" }], [{ [slot("Evil")]: 1 }]])(
    "is refused when Step Functions would run or fill in a text of it: %j",
    (document) => {
      expect(() => withDocument(document)).toThrow(WorkflowDefinitionError);
    },
  );

  it("must stand somewhere", () => {
    expect(() => readWorkflowDefinition("a.asl.json", '{"States":{}}', 60, { Given: "x" })).toThrow(/Given is given/);
  });
});

describe("a workflow's definition", () => {
  it("names its placeholders, wherever they stand", () => {
    const { placeholders } = read({
      A: {
        Arguments: {
          FunctionName: slot("First"),
          Payload: [slot("Second"), { text: `from ${slot("Third")} to ${slot("First")}` }],
        },
      },
    });
    expect([...placeholders].sort()).toEqual(["First", "Second", "Third"]);
  });

  it("finds Distributed Maps inside Distributed Maps, with their buckets", () => {
    expect(read({ "Each backup": outerMap }).distributedMaps).toEqual([
      { stateName: "Each backup", label: "Outer", readerPlaceholder: undefined, writerPlaceholder: "Results" },
      { stateName: "Each part", label: "Inner", readerPlaceholder: "Lists", writerPlaceholder: undefined },
    ]);
  });

  it("leaves inline maps alone", () => {
    const inline = { Type: "Map", ItemProcessor: { ProcessorConfig: { Mode: "INLINE" }, States: {} } };
    expect(read({ A: inline }).distributedMaps).toEqual([]);
  });

  it("is given its time limit", () => {
    expect(JSON.parse(read({}).text)).toMatchObject({ StartAt: "A", TimeoutSeconds: 60 });
  });

  const mistakes: readonly (readonly [what: string, states: object, complaint: RegExp])[] = [
    [
      "a placeholder inside JSONata",
      { A: { Output: `{% '${slot("Bucket")}' & $x %}` } },
      /States\.A\.Output.*inside JSONata/,
    ],
    ["a placeholder in a key", { A: { [slot("Key")]: 1 } }, /a key cannot hold a placeholder/],
    ["a malformed placeholder", { A: { Output: slot("not closed") } }, /a placeholder is \$\{Letters\}/],
    ["a Distributed Map without label", { A: { ...outerMap, Label: undefined } }, /"A" needs a Label/],
    ["a label that is too long", { A: { ...outerMap, Label: "x".repeat(41) } }, /at most 40/],
    ["two maps of one label", { A: innerMap, B: innerMap }, /"A" and "B" have the same Label, Inner/],
    [
      "a variable assigned inside a map and around it",
      {
        A: { Assign: { x: 1 } },
        B: {
          ...innerMap,
          ItemProcessor: { ...innerMap.ItemProcessor, States: { C: { Catch: [{ Assign: { x: 2 } }] } } },
        },
      },
      /"C" assigns x, which "A" assigns around it/,
    ],
    [
      "a bucket that is computed",
      { A: { ...innerMap, ItemReader: { Arguments: { Bucket: "{% $bucket %}" } } } },
      /ItemReader\.Arguments\.Bucket must be a placeholder/,
    ],
  ];
  it.each(mistakes)("refuses %s", (_what, states, complaint) => {
    expect(() => read(states)).toThrow(WorkflowDefinitionError);
    expect(() => read(states)).toThrow(complaint);
    expect(() => read(states)).toThrow(/^a\.asl\.json: /);
  });

  it("refuses a time limit of its own, and what is no JSON object", () => {
    expect(() => readWorkflowDefinition("a", '{"TimeoutSeconds":1}', 60)).toThrow(/the stack gives the time limit/);
    expect(() => readWorkflowDefinition("a", "{", 60)).toThrow(/is not JSON/);
    expect(() => readWorkflowDefinition("a", "[]", 60)).toThrow(/is not an object/);
  });
});

describe("placeholders and what is given for them", () => {
  it("pass when they are the same set", () => {
    expect(() => checkPlaceholders("a", new Set(["A", "B"]), ["B", "A"])).not.toThrow();
  });

  it("name what is missing and what is too much", () => {
    expect(() => checkPlaceholders("a.asl.json", new Set(["A", "B"]), ["B", "C"])).toThrow(
      `a.asl.json: ${slot("A")} stands in it, but no function or value of that name is given. ` +
        `C is given, but ${slot("C")} does not stand in it.`,
    );
  });
});
