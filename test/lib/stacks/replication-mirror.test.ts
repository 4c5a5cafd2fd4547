// The mirror in the template: absent where the stage has none, deleting only where the stage says so, and alone in what it may do.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import validate from "asl-validator";
import { Template } from "aws-cdk-lib/assertions";
import { describe, expect, it } from "vitest";
import { buildApp } from "../../../bin/causeway.ts";
import { parseStageSettings, SettingsError } from "../../../lib/config.ts";
import { actionsOf, statementsOf } from "./template.ts";

interface Changes {
  readonly mirror?: object | undefined;
}

function settingsWith(changes: Changes) {
  const local = JSON.parse(readFileSync(resolve(import.meta.dirname, "../../../stages/local.json"), "utf8"));
  const mirror = changes.mirror === undefined ? undefined : { ...local.replication.mirror, ...changes.mirror };
  return parseStageSettings("local", JSON.stringify({ ...local, replication: { ...local.replication, mirror } }));
}

function synthesiseWith(changes: Changes): Template {
  const folder = mkdtempSync(join(tmpdir(), "causeway-synth-"));
  try {
    const assembly = buildApp(settingsWith(changes), folder).synth();
    return Template.fromJSON(assembly.getStackByName("causeway-local-replication").template);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const without = synthesiseWith({});
const plain = synthesiseWith({ mirror: {} });
const deleting = synthesiseWith({ mirror: { mirrorDeletes: true } });
const ownIds = ["MirrorObjects", "PlanMirror", "MirrorBatch", "CompleteMirror", "AbandonMirror", "CheckMirrorLag"];

describe("a stage without a mirror", () => {
  it("has nothing of it in its template", () => {
    expect(Object.keys(without.toJSON().Resources).filter((id) => /Mirror/.test(id))).toEqual([]);
    expect(Object.keys(without.toJSON().Parameters).filter((id) => /Oss|Mirror/.test(id))).toEqual([]);
    expect(Object.keys(without.toJSON().Outputs).filter((id) => /Mirror/.test(id))).toEqual([]);
  });
});

describe("the mirror", () => {
  it("deletes nothing anywhere, and has no function, rule or queue that would", () => {
    for (const id of ownIds) {
      // The queue's own messages are deleted by whoever has worked them off.
      const deleting = actionsOf(plain, id).filter(
        (action) => /Delete|Remove/.test(action) && action !== "sqs:DeleteMessage",
      );
      expect(deleting, id).toEqual([]);
    }
    expect(Object.keys(plain.toJSON().Resources).filter((id) => /MirrorDeletes|ObjectsDeleted/.test(id))).toEqual([]);
    expect(JSON.stringify(plain.toJSON())).not.toContain("aliyun-oss-deletes");
  });

  it("reads below its prefixes alone, and writes receipts", () => {
    for (const id of ["MirrorObjects", "PlanMirror", "MirrorBatch", "CompleteMirror"]) {
      const objects = statementsOf(plain, id)
        .filter(({ actions }) => actions.some((action) => /^s3:(Get|Put)Object/.test(action)))
        .flatMap(({ resources }) => resources)
        .map((resource) => /\/(mysql|receipts|runs)\/\*/.exec(resource)?.[1] ?? resource);
      expect(new Set(objects).size, id).toBeLessThanOrEqual(2);
      for (const place of objects) expect(["mysql", "receipts", "runs"]).toContain(place);
    }
  });

  it("hears of objects below its prefixes alone, never of receipts", () => {
    const rules = Object.values(plain.findResources("AWS::Events::Rule")).map(
      ({ Properties }) => Properties.EventPattern,
    );
    const ofObjects = rules.filter((pattern) => pattern?.source?.includes("aws.s3"));
    expect(ofObjects).toHaveLength(1);
    expect(ofObjects[0]).toMatchObject({
      "detail-type": ["Object Created"],
      detail: { object: { key: [{ prefix: "mysql/" }] } },
    });
  });

  it("answers its queue message by message, at most so many at a time, and never before a function has ended", () => {
    const [mapping] = Object.values(plain.findResources("AWS::Lambda::EventSourceMapping")).map(
      (each) => each.Properties,
    );
    expect(mapping).toMatchObject({
      BatchSize: 10,
      FunctionResponseTypes: ["ReportBatchItemFailures"],
      ScalingConfig: { MaximumConcurrency: 10 },
    });
    plain.hasResourceProperties("AWS::SQS::Queue", {
      QueueName: "causeway-local-mirror",
      VisibilityTimeout: 1800,
      RedrivePolicy: { maxReceiveCount: 8 },
    });
  });

  it("has a workflow that Step Functions takes", () => {
    const file = resolve(import.meta.dirname, "../../../state-machines/replication/mirror-object.asl.json");
    const { isValid, errorsText } = validate(JSON.parse(readFileSync(file, "utf8")));
    expect(isValid, errorsText("\n")).toBe(true);
  });

  it("alarms for its dead letters under a heading of the runbook", () => {
    const descriptions = Object.values(plain.findResources("AWS::CloudWatch::Alarm")).map(
      ({ Properties }) => Properties.AlarmDescription as string,
    );
    expect(descriptions.find((text) => text.startsWith("Mirror dead letters:"))).toMatch(/#mirror-dead-letters$/);
  });
});

describe("a stage with mirrorDeletes", () => {
  it("has one more function, with a role, a rule, a queue and a key pair of its own, and no right on what the mirror writes", () => {
    const actions = actionsOf(deleting, "MirrorDeletes");
    expect(actions).toEqual(expect.arrayContaining(["s3:GetObject", "dynamodb:UpdateItem", "sqs:SendMessage"]));
    expect(actions.filter((action) => /^s3:(Put|Delete)|kms:Sign|events:/.test(action))).toEqual([]);
    const secrets = statementsOf(deleting, "MirrorDeletes").filter(
      ({ actions: [first] }) => first === "secretsmanager:GetSecretValue",
    );
    expect(JSON.stringify(secrets)).toContain("/local/replication/aliyun-oss-deletes-");
    const rules = Object.values(deleting.findResources("AWS::Events::Rule")).map(
      ({ Properties }) => Properties.EventPattern,
    );
    expect(rules.filter((pattern) => pattern?.["detail-type"]?.includes("Object Deleted"))).toHaveLength(1);
  });
});

describe("mappings", () => {
  it.each([
    ["of receipts", [{ from: "receipts/", to: "r/" }], /Receipts are not mirrored/],
    ["of receipts of one kind", [{ from: "receipts/mysql/", to: "r/" }], /Receipts are not mirrored/],
    [
      "from one below another",
      [
        { from: "mysql/", to: "a/" },
        { from: "mysql/rm-1/", to: "b/" },
      ],
      /No `from`/,
    ],
    [
      "to one below another",
      [
        { from: "mysql/", to: "a/" },
        { from: "postgresql/", to: "a/b/" },
      ],
      /No `to`/,
    ],
    [
      "to the same place",
      [
        { from: "mysql/", to: "a/" },
        { from: "postgresql/", to: "a/" },
      ],
      /No `to`/,
    ],
  ])("%s are refused", (_, mappings, sentence) => {
    expect(() => settingsWith({ mirror: { mappings } })).toThrowError(SettingsError);
    expect(() => settingsWith({ mirror: { mappings } })).toThrowError(sentence);
  });
});
