// The relay in the template: one streaming front, roles that can do little, and the instances of a stage that asks for them.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { Template } from "aws-cdk-lib/assertions";
import { expect, it } from "vitest";
import { buildApp } from "../../../bin/causeway.ts";
import { parseStageSettings } from "../../../lib/config.ts";
import { actionsOf, statementsOf, synthesise } from "./template.ts";

const { relay } = synthesise("local");

it("streams every answer, to a regional address, for a quarter of an hour", () => {
  relay.hasResourceProperties("AWS::ApiGateway::RestApi", {
    EndpointConfiguration: { Types: ["REGIONAL"] },
    BinaryMediaTypes: ["*/*"],
  });
  relay.allResourcesProperties("AWS::ApiGateway::Method", {
    HttpMethod: "ANY",
    Integration: { Type: "AWS_PROXY", ResponseTransferMode: "STREAM", TimeoutInMillis: 900_000 },
  });
  relay.resourceCountIs("AWS::ApiGateway::Method", 2);
});

it("a page in a browser can read what the gateway itself refuses", () => {
  const answers = Object.values(relay.findResources("AWS::ApiGateway::GatewayResponse"));
  expect(answers.length).toBeGreaterThan(3);
  for (const { Properties } of answers) {
    expect(Properties.ResponseParameters).toMatchObject({
      "gatewayresponse.header.access-control-allow-origin": "'*'",
    });
  }
});

it("the relay opens credentials and makes none, and deletes nothing", () => {
  const actions = actionsOf(relay, "Relay");
  expect(actions.filter((action) => /Delete|Remove/.test(action))).toEqual([]);
  const onCredentials = statementsOf(relay, "Relay").filter(({ resources }) =>
    resources.some((resource) => /RelayCredentialsKey/.test(resource)),
  );
  expect(onCredentials.flatMap(({ actions: each }) => each)).toEqual(["kms:Decrypt"]);
});

it("each partition of accounts is touched by what is needed there, and by nothing else", () => {
  const policies = Object.values(relay.findResources("AWS::IAM::Policy"));
  const rightsOf = (role: string) =>
    policies
      .filter(({ Properties }) => Properties.Roles.some(({ Ref }: { Ref: string }) => Ref.startsWith(`${role}Role`)))
      .flatMap(({ Properties }) => Properties.PolicyDocument.Statement)
      .filter(({ Resource }) => JSON.stringify(Resource).includes("RelayAccounts"))
      .flatMap(({ Action, Condition }) => {
        const keys = Condition?.["ForAllValues:StringLike"]?.["dynamodb:LeadingKeys"];
        return keys === undefined ? [] : [[[keys].flat().join(" "), [Action].flat().sort().join(" ")]];
      })
      .sort();
  expect(Object.fromEntries(rightsOf("Relay"))).toEqual({
    relay: "dynamodb:GetItem dynamodb:Query dynamodb:UpdateItem",
    "errors#*": "dynamodb:UpdateItem",
    "sticky#*": "dynamodb:GetItem dynamodb:PutItem",
    "bound#*": "dynamodb:BatchGetItem dynamodb:PutItem",
    "cred#*": "dynamodb:GetItem",
  });
  expect(Object.fromEntries(rightsOf("RecoverAccounts"))).toEqual({
    relay: "dynamodb:Query dynamodb:UpdateItem",
    "errors#*": "dynamodb:Query",
  });
  expect(Object.fromEntries(rightsOf("ProbeAccount"))).toEqual({
    relay: "dynamodb:GetItem dynamodb:Query dynamodb:UpdateItem",
    "errors#*": "dynamodb:UpdateItem",
    "cred#*": "dynamodb:GetItem",
  });
});

it("alarms where work was missed for good, and where counting paused for longer than the stream keeps", () => {
  const alarms = Object.values(relay.findResources("AWS::CloudWatch::Alarm")).map(
    ({ Properties }) => Properties as { AlarmDescription: string; MetricName: string; Dimensions: object[] },
  );
  const titled = (title: string) => alarms.find(({ AlarmDescription }) => AlarmDescription.startsWith(`${title}: `));
  const missed = titled("Missed work");
  expect(missed?.MetricName).toBe("ApproximateNumberOfMessagesVisible");
  expect(JSON.stringify(missed?.Dimensions)).toContain("MissedWork");
  // The iterator's age cannot tell of a gap: the stream's mapping drops what is older than 23 hours.
  expect(titled("Usage roll-ups have a gap")).toMatchObject({
    MetricName: "RelayRollUpGapHours",
    Threshold: 1,
    Dimensions: [{ Name: "service", Value: "roll-up-usage" }],
  });
});

it("takes instances of its own where the stage says so, and passes the checks of cdk-nag", () => {
  const folder = mkdtempSync(path.join(tmpdir(), "causeway-instances-"));
  try {
    const local = JSON.parse(readFileSync(path.resolve(import.meta.dirname, "../../../stages/local.json"), "utf8"));
    local.relay.managedInstances = {
      subnetIds: ["subnet-0123456789abcdef0"],
      securityGroupIds: ["sg-0123456789abcdef0"],
      streamsPerEnvironment: 80,
    };
    const assembly = buildApp(parseStageSettings("local", JSON.stringify(local)), folder).synth();
    const template = Template.fromJSON(assembly.getStackByName("causeway-local-relay").template);
    template.resourceCountIs("AWS::Lambda::CapacityProvider", 1);
    template.hasResourceProperties("AWS::Lambda::Function", {
      CapacityProviderConfig: {
        LambdaManagedInstancesCapacityProviderConfig: { PerExecutionEnvironmentMaxConcurrency: 80 },
      },
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
