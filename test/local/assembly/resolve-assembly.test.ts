// Reading cdk.out and resolving its templates, on a small hand-written assembly.
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { resolveIntrinsics, type Scope } from "../../../local/assembly/intrinsics.ts";
import { type Json, readAssembly } from "../../../local/assembly/read-assembly.ts";
import { resolveAssembly } from "../../../local/assembly/resolve-assembly.ts";
import { identify, shorten } from "../../../local/assembly/resource-identity.ts";

const fixture = path.resolve("test/fixtures/local/assembly");
const gatewayUrl = "http://127.0.0.1:4566";
const temporary: string[] = [];

afterEach(() => {
  for (const directory of temporary.splice(0)) rmSync(directory, { recursive: true });
});

function resolveFixture(parameters: Record<string, string> = {}) {
  return resolveAssembly(readAssembly(fixture), { gatewayUrl, parameters });
}

function resourceOf(resolved: ReturnType<typeof resolveFixture>, logicalId: string) {
  const found = resolved.resources.find((resource) => resource.logicalId === logicalId);
  if (!found) throw new Error(`no ${logicalId}`);
  return found;
}

/** The fixture with one template changed. */
function changedFixture(templateFile: string, change: (template: Record<string, Record<string, unknown>>) => void) {
  const directory = mkdtempSync(path.join(tmpdir(), "assembly-"));
  temporary.push(directory);
  cpSync(fixture, directory, { recursive: true });
  const file = path.join(directory, templateFile);
  const template = JSON.parse(readFileSync(file, "utf8"));
  change(template);
  writeFileSync(file, JSON.stringify(template));
  return readAssembly(directory);
}

describe("an assembly", () => {
  test("puts a stack after those it depends on, whatever the manifest's order", () => {
    expect(readAssembly(fixture).stacks.map((stack) => stack.name)).toEqual(["house-data", "house-work"]);
  });

  test("that was never synthesised is reported with what to do", () => {
    expect(() => readAssembly("/nowhere")).toThrow("holds no manifest.json: synthesise the app first");
  });

  test("that names an account and region gives them to everything in it", () => {
    const { accountId, region } = resolveFixture();
    expect({ accountId, region }).toEqual({ accountId: "111122223333", region: "eu-central-1" });
  });

  test("leads from a function's code to the folder of its asset", () => {
    const resolved = resolveFixture();
    expect(resolved.assetPaths.get("note-code.zip")).toBe(path.join(fixture, "functions/note"));
  });
});

describe("resolving", () => {
  test("carries values from stack to stack and evaluates every function on the way", () => {
    const { properties, physicalName, arn, constructPath } = resourceOf(resolveFixture(), "Note1A2B3C4D");
    expect({ physicalName, arn, constructPath }).toEqual({
      physicalName: "house-note",
      arn: "arn:aws:lambda:eu-central-1:111122223333:function:house-note",
      constructPath: "house-work/Note",
    });
    expect(properties).toMatchObject({
      FunctionName: "house-note",
      MemorySize: 256,
      Role: "arn:aws:iam::111122223333:role/house-work-NoteRole5E6F7A8B",
      Environment: {
        Variables: {
          TABLE_NAME: "house-data-Notes",
          BUCKET_NAME: "house-data-papers",
          GREETING: "hello",
          ROOMS: "attic+cellar",
        },
      },
    });
    expect(properties).not.toHaveProperty("ReservedConcurrentExecutions");
  });

  test("takes parameters given at boot, for all stacks or for one", () => {
    for (const name of ["Greeting", "house-work:Greeting"]) {
      const { properties } = resourceOf(resolveFixture({ [name]: "loud" }), "Note1A2B3C4D");
      expect(properties).toMatchObject({
        ReservedConcurrentExecutions: 5,
        Environment: { Variables: { GREETING: "loud" } },
      });
    }
  });

  test("creates only what its condition lets exist", () => {
    const topics = (parameters: Record<string, string>) => {
      const { resources, outputs } = resolveFixture(parameters);
      const names = resources.filter(({ type }) => type === "AWS::SNS::Topic").map((topic) => topic.physicalName);
      return [names, Object.keys(outputs["house-work"] ?? {}).includes("LoudTopicArn")];
    };
    expect(topics({})).toEqual([["quiet"], false]);
    expect(topics({ Greeting: "loud" })).toEqual([["loud"], true]);
  });

  test("refuses parameters that no stack has, or that do not fit", () => {
    expect(() => resolveFixture({ Greetings: "x" })).toThrow("No stack has a parameter Greetings.");
    expect(() => resolveFixture({ Greeting: "HELLO" })).toThrow("the parameter Greeting must match [a-z]+");
  });

  test("gives outputs by stack and name", () => {
    expect(resolveFixture().outputs["house-work"]).toEqual({
      NoteFunction: "house-note",
      FlowArn: "arn:aws:states:eu-central-1:111122223333:stateMachine:take-note",
    });
  });

  test("gives the same names and ARNs at every boot", () => {
    expect(resolveFixture().resources).toEqual(resolveFixture().resources);
  });

  test("names what the local cloud does not know, once", () => {
    expect(resolveFixture().unknown).toEqual([
      "AWS::S3::Bucket (Papers): ObjectLockEnabled is ignored locally.",
      "AWS::Neptune::DBCluster (Shelf) is not built locally: nothing happens where it would act.",
    ]);
  });

  test("names what is missing, and where", () => {
    const broken = (change: (template: Record<string, Record<string, unknown>>) => void) => () =>
      resolveAssembly(changedFixture("house-work.template.json", change), { gatewayUrl });
    const output = (value: unknown) =>
      broken((template) => {
        template.Outputs = { Broken: { Value: value } };
      });
    expect(output({ Ref: "Nobody" })).toThrow("stack house-work: there is no resource or parameter Nobody.");
    expect(output({ "Fn::GetAtt": ["Lost", "Colour"] })).toThrow("AWS::SQS::Queue (Lost) has no attribute Colour");
    expect(output({ "Fn::ImportValue": "elsewhere" })).toThrow("no stack before it exports elsewhere");
    expect(output({ "Fn::GetAZs": "" })).toThrow("does not know the function Fn::GetAZs");
    expect(output("{{resolve:ssm:/a/b:1}}")).toThrow("does not resolve dynamic references: {{resolve:ssm:/a/b:1}}");
    expect(
      broken((template) => {
        template.Conditions = { IsLoud: { Condition: "IsQuiet" }, IsQuiet: { Condition: "IsLoud" } };
      }),
    ).toThrow("refers to itself");
  });

  test("refuses stacks in different regions, since the local cloud is one place", () => {
    const assembly = readAssembly(fixture);
    const [first, second] = assembly.stacks;
    if (!first || !second) throw new Error("the fixture has two stacks");
    const split = { ...assembly, stacks: [first, { ...second, region: "us-east-1" }] };
    expect(() => resolveAssembly(split, { gatewayUrl })).toThrow("one account in one region");
  });
});

describe("intrinsic functions", () => {
  const scope: Scope = {
    where: "test",
    ref: (name) => (name === "AWS::NoValue" ? undefined : `ref-${name}`),
    attribute: (logicalId, attribute) => `${logicalId}/${attribute}`,
    importedValue: (name) => `imported-${name}`,
    condition: (name) => name === "Yes",
    mapped: (...keys) => keys.join("."),
  };
  const cases: [string, Json, Json | undefined][] = [
    ["GetAtt as text", { "Fn::GetAtt": "A.B.C" }, "A/B.C"],
    [
      "Sub with all its forms",
      // biome-ignore lint/suspicious/noTemplateCurlyInString: CloudFormation's own placeholders
      { "Fn::Sub": ["${A}-${B.C}-${!literal}-${Own}", { Own: { Ref: "X" } }] },
      // biome-ignore lint/suspicious/noTemplateCurlyInString: CloudFormation's own placeholders
      "ref-A-B/C-${literal}-ref-X",
    ],
    ["If inside Join", { "Fn::Join": [",", ["a", { "Fn::If": ["Yes", "b", "c"] }]] }, "a,b"],
    ["NoValue in a list", ["a", { Ref: "AWS::NoValue" }, "b"], ["a", "b"]],
    ["NoValue in an object", { kept: 1, gone: { "Fn::If": ["No", 2, { Ref: "AWS::NoValue" }] } }, { kept: 1 }],
    ["Select of Split", { "Fn::Select": ["1", { "Fn::Split": ["/", { Ref: "a/b" }] }] }, "b"],
    ["an object that only looks like a function", { Ref: "A", Other: 1 }, { Ref: "A", Other: 1 }],
    ["Base64", { "Fn::Base64": "hi" }, "aGk="],
  ];
  test.each(cases)("%s", (_name, given, expected) => {
    expect(resolveIntrinsics(given, scope)).toEqual(expected);
  });
});

describe("physical names", () => {
  const place = {
    partition: "aws",
    urlSuffix: "amazonaws.com",
    region: "eu-central-1",
    accountId: "111122223333",
    stackName: "Stack",
    gatewayUrl,
  };
  const none = () => undefined;

  test("fit their service: buckets in lower case, long ones shortened but still told apart", () => {
    expect(identify("AWS::S3::Bucket", "BackupS", place, none).physicalName).toBe("stack-backups");
    const first = identify("AWS::Lambda::Function", `${"x".repeat(80)}1`, place, none).physicalName;
    const second = identify("AWS::Lambda::Function", `${"x".repeat(80)}2`, place, none).physicalName;
    expect(first).toHaveLength(64);
    expect(first).not.toBe(second);
    expect(shorten("short", 10)).toBe("short");
  });

  test("lead to what Ref and GetAtt give in AWS", () => {
    expect(identify("AWS::SQS::Queue", "Q", place, none)).toMatchObject({
      ref: `${gatewayUrl}/111122223333/Stack-Q`,
      attributes: { Arn: "arn:aws:sqs:eu-central-1:111122223333:Stack-Q", QueueName: "Stack-Q" },
    });
    expect(
      identify("AWS::Events::Rule", "R", place, (name) => (name === "EventBusName" ? "own" : undefined)),
    ).toMatchObject({
      ref: "own|Stack-R",
      arn: "arn:aws:events:eu-central-1:111122223333:rule/own/Stack-R",
    });
    expect(identify("AWS::Logs::LogGroup", "L", place, none).attributes.Arn).toBe(
      "arn:aws:logs:eu-central-1:111122223333:log-group:Stack-L:*",
    );
  });
});
