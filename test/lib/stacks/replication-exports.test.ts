// The exports in the replication stack: who may do what with RDS, what RDS may do with the bucket, and what a stage leaves out.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import validate from "asl-validator";
import { Template } from "aws-cdk-lib/assertions";
import { describe, expect, it } from "vitest";
import type * as z from "zod";
import { buildApp } from "../../../bin/causeway.ts";
import * as environments from "../../../lambdas/replication/config.ts";
import { exportEngines, exportPrefixOf } from "../../../lambdas/replication/exports/snapshot.ts";
import { parseStageSettings, SettingsError } from "../../../lib/config.ts";
import { exportFolders } from "../../../lib/stacks/replication-exports.ts";
import { actionsOf, joinedText, statementsOf, synthesise } from "./template.ts";

const { replication, validationReport } = synthesise("prod");
const account = "222222222222";
const region = "ap-southeast-1";

const functionIds = [
  "AbandonExport",
  "FollowExport",
  "ListSnapshots",
  "RecordExport",
  "StartExport",
  "SummariseExports",
];

const schemas = {
  subnetIds: ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"],
  securityGroupIds: ["sg-0123456789abcdef0"],
  connections: [{ databaseId: "orders", engine: "mysql", host: "orders.example.com", databases: ["shop"] }],
};

/** The stage prod with other settings of its exports; its templates and what validation says of them. */
function synthesiseWith(exports: object | undefined) {
  const settings = JSON.parse(readFileSync(path.resolve(import.meta.dirname, "../../../stages/prod.json"), "utf8"));
  settings.replication.exports = exports === undefined ? undefined : { ...settings.replication.exports, ...exports };
  const folder = mkdtempSync(path.join(tmpdir(), "causeway-synth-"));
  try {
    const assembly = buildApp(parseStageSettings("prod", JSON.stringify(settings)), folder).synth();
    const report = JSON.parse(readFileSync(path.join(folder, "validation-report.json"), "utf8"));
    return { template: Template.fromJSON(assembly.getStackByName("causeway-prod-replication").template), report };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

interface RoleProperties {
  readonly AssumeRolePolicyDocument: { readonly Statement: readonly Record<string, unknown>[] };
}

interface FunctionProperties {
  readonly Environment: { readonly Variables: Record<string, unknown> };
}

/** Of the one resource whose logical id begins so. */
function propertiesOf<Properties>(type: string, beginning: string): Properties {
  const [, found] = Object.entries(replication.findResources(type)).find(([id]) => id.startsWith(beginning)) ?? [];
  if (found === undefined) throw new Error(`there is no ${type} ${beginning}`);
  return found.Properties as Properties;
}

describe("RDS's role", () => {
  it("is assumed by RDS's export service alone, in the name of this account's RDS", () => {
    const { AssumeRolePolicyDocument } = propertiesOf<RoleProperties>("AWS::IAM::Role", "ExportRole");
    const { Statement } = AssumeRolePolicyDocument;
    expect(Statement).toEqual([
      {
        Effect: "Allow",
        Action: "sts:AssumeRole",
        Principal: { Service: "export.rds.amazonaws.com" },
        Condition: {
          StringEquals: { "aws:SourceAccount": account },
          ArnLike: { "aws:SourceArn": `arn:aws:rds:${region}:${account}:*` },
        },
      },
    ]);
  });

  it("writes and deletes below the exports' own prefixes and nowhere else", () => {
    const statements = Object.values(replication.findResources("AWS::IAM::Policy"))
      .filter(({ Properties }) => JSON.stringify(Properties.Roles).includes('"ExportRole'))
      .flatMap(
        ({ Properties }) => Properties.PolicyDocument.Statement as { Action: string | string[]; Resource: unknown }[],
      );
    const onObjects = statements.filter(({ Action }) => [Action].flat().some((action) => action.includes("Object")));
    expect(onObjects).toHaveLength(1);
    expect(onObjects[0]?.Action).toEqual(["s3:DeleteObject*", "s3:GetObject*", "s3:PutObject*"]);
    const resources = [onObjects[0]?.Resource].flat().map((resource) => JSON.stringify(resource));
    expect(resources).toHaveLength(3);
    for (const folder of exportFolders) {
      expect(resources.some((resource) => resource.includes(`"/${folder}/rds-exports/*"`))).toBe(true);
    }
    const rest = statements.filter((statement) => !onObjects.includes(statement)).flatMap(({ Action }) => Action);
    expect(rest.sort()).toEqual([
      "kms:Decrypt",
      "kms:DescribeKey",
      "kms:Encrypt",
      "kms:GenerateDataKey",
      "s3:GetBucketLocation",
      "s3:ListBucket",
    ]);
  });

  it("knows every folder that an exported engine comes to", () => {
    const folders = exportEngines.map((engine) => exportPrefixOf("", { engine, databaseId: "d" }).split("/")[0]);
    expect([...new Set(folders)].sort()).toEqual([...exportFolders].sort());
  });
});

describe("the functions of the exports", () => {
  it.each(functionIds)("delete nothing, and have no wildcard among their actions: %s", (constructId) => {
    const actions = actionsOf(replication, constructId);
    expect(actions.length).toBeGreaterThan(4);
    expect(actions.filter((action) => /Delete|Remove|PutBucket|\*/.test(action))).toEqual([]);
  });

  it("start, cancel and look at tasks where they must, and nowhere else", () => {
    const withAction = (action: string) => functionIds.filter((id) => actionsOf(replication, id).includes(action));
    expect(withAction("rds:StartExportTask")).toEqual(["StartExport"]);
    expect(withAction("rds:CancelExportTask")).toEqual(["FollowExport"]);
    expect(withAction("rds:DescribeExportTasks")).toEqual(["FollowExport", "RecordExport", "StartExport"]);
    expect(withAction("rds:DescribeDBSnapshots")).toEqual(["ListSnapshots"]);
    expect(withAction("kms:Sign")).toEqual(["RecordExport"]);
    expect(withAction("s3:PutObject")).toEqual(["ListSnapshots", "RecordExport"]);
  });

  it("hand on the export role to RDS's export service alone, and let it use the key only as RDS does", () => {
    const policy = Object.values(replication.findResources("AWS::IAM::Policy")).find(({ Properties }) =>
      JSON.stringify(Properties.Roles).includes('"StartExportRole'),
    );
    const statements = policy?.Properties.PolicyDocument.Statement as { Action: string | string[] }[];
    expect(statements.find(({ Action }) => Action === "iam:PassRole")).toMatchObject({
      Condition: { StringEquals: { "iam:PassedToService": "export.rds.amazonaws.com" } },
      Resource: { "Fn::GetAtt": [expect.stringMatching(/^ExportRole/), "Arn"] },
    });
    expect(statements.find(({ Action }) => Action === "kms:CreateGrant")).toMatchObject({
      Condition: {
        Bool: { "kms:GrantIsForAWSResource": "true" },
        StringEquals: { "kms:ViaService": `rds.${region}.amazonaws.com` },
      },
    });
  });

  it.each(functionIds)("are given an environment that their own schema accepts: %s", (constructId) => {
    const { Environment } = propertiesOf<FunctionProperties>("AWS::Lambda::Function", `${constructId}Function`);
    const { Variables } = Environment;
    const texts = Object.fromEntries(
      Object.entries(Variables).map(([name, value]) => [name, typeof value === "string" ? value : "resolved"]),
    );
    const name = `${constructId[0]?.toLowerCase()}${constructId.slice(1)}Environment`;
    const schema = (environments as Record<string, z.ZodType>)[name];
    expect(schema?.safeParse(texts).success).toBe(true);
  });
});

describe("the workflow of the exports", () => {
  const machine = Object.values(replication.findResources("AWS::StepFunctions::StateMachine")).find(
    ({ Properties }) => Properties.StateMachineName === "causeway-prod-export-rds-snapshot",
  );

  it("has a definition that is valid, with a time limit, and no schema to keep where none is wanted", () => {
    const definition = JSON.parse(String(machine?.Properties.DefinitionString));
    const verdict = validate(definition);
    expect(verdict.isValid, verdict.errorsText()).toBe(true);
    expect(definition.TimeoutSeconds).toBe(7 * 24 * 3600);
    expect(machine?.Properties.DefinitionSubstitutions).toMatchObject({ KeepSchema: "none" });
    expect(replication.findResources("AWS::Lambda::Function", { Properties: { VpcConfig: {} } })).toEqual({});
  });

  it("calls the functions that stand in it, and no other", () => {
    const invoked = statementsOf(replication, "ExportRdsSnapshot").find(({ actions }) =>
      actions.includes("lambda:InvokeFunction"),
    );
    expect(invoked?.resources).toHaveLength(functionIds.length);
  });

  it("is started by its schedule through start-run, which may start it", () => {
    const [schedule] = Object.values(
      replication.findResources("AWS::Scheduler::Schedule", {
        Properties: { Name: "causeway-prod-export-rds-snapshot" },
      }),
    );
    expect(schedule?.Properties).toMatchObject({ ScheduleExpression: "cron(0 8 * * ? *)", State: "ENABLED" });
    expect(JSON.parse(joinedText(schedule?.Properties.Target.Input))).toEqual({
      schedule: "causeway-prod-export-rds-snapshot",
      stateMachineArn: expect.stringMatching(/^<ExportRdsSnapshotStateMachine/),
      runsAs: "exports",
      scheduledTime: "<aws.scheduler.scheduled-time>",
    });
    const starts = statementsOf(replication, "StartRun").filter(({ actions }) =>
      actions.includes("states:StartExecution"),
    );
    expect(starts.flatMap(({ resources }) => resources).join()).toContain("ExportRdsSnapshotStateMachine");
  });
});

describe("a stage", () => {
  it("that keeps schemas has one function more, inside the network it names, with the secrets of its databases alone", () => {
    const { template, report } = synthesiseWith({ schemas });
    expect(report.pluginReports).toEqual(validationReport.pluginReports);
    template.hasResourceProperties("AWS::Lambda::Function", {
      VpcConfig: { SubnetIds: schemas.subnetIds, SecurityGroupIds: schemas.securityGroupIds },
    });
    const statements = statementsOf(template, "KeepSchema");
    expect(statements.find(({ actions }) => actions.includes("secretsmanager:GetSecretValue"))?.resources).toEqual([
      `arn:aws:secretsmanager:${region}:${account}:secret:/prod/replication/database/orders-*`,
    ]);
    const puts = statements
      .filter(({ actions }) => actions.includes("s3:PutObject"))
      .flatMap(({ resources }) => resources);
    expect(puts.every((resource) => resource.includes("/rds-exports/*/schema/*"))).toBe(true);
    const definition = String(
      Object.values(template.findResources("AWS::StepFunctions::StateMachine")).find(
        ({ Properties }) => Properties.StateMachineName === "causeway-prod-export-rds-snapshot",
      )?.Properties.DefinitionString,
    );
    expect(definition).toContain(
      '"schemaConnections":{"orders":{"engine":"mysql","host":"orders.example.com","databases":["shop"]}}',
    );
  });

  it("that exports nothing has none of it", () => {
    const { template } = synthesiseWith(undefined);
    expect(
      Object.keys(template.findResources("AWS::Lambda::Function")).filter((id) =>
        [...functionIds, "KeepSchema"].some((name) => id.startsWith(`${name}Function`)),
      ),
    ).toEqual([]);
    expect(
      Object.keys(template.findOutputs("*")).filter((name) => /Export/.test(name) && !name.startsWith("ExportsOutput")),
    ).toEqual([]);
  });

  it.each([
    [{ ...schemas, subnetIds: ["subnet-1"] }, /subnetIds\.0 is "subnet-1"\. Give a subnet id/],
    [
      { ...schemas, connections: [{ ...schemas.connections[0], host: "orders.example.com:3306" }] },
      /the port has a field of its own/,
    ],
    [
      { ...schemas, connections: [schemas.connections[0], schemas.connections[0]] },
      /Give one connection for each databaseId/,
    ],
    [{ ...schemas, connections: [{ ...schemas.connections[0], databases: ["{% evil %}"] }] }, /Give a database name/],
    [
      { ...schemas, connections: [{ ...schemas.connections[0], engine: "oracle" }] },
      /Give "mysql", "mariadb" or "postgres"/,
    ],
  ])("is told what is wrong with its connections", (wrong, complaint) => {
    expect(() => synthesiseWith({ schemas: wrong })).toThrow(SettingsError);
    expect(() => synthesiseWith({ schemas: wrong })).toThrow(complaint);
  });
});
