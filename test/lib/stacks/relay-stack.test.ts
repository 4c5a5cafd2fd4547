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

it("the relay opens credentials and makes none, and deletes nothing", () => {
  const actions = actionsOf(relay, "Relay");
  expect(actions.filter((action) => /Delete|Remove/.test(action))).toEqual([]);
  const onCredentials = statementsOf(relay, "Relay").filter(({ resources }) =>
    resources.some((resource) => /RelayCredentialsKey/.test(resource)),
  );
  expect(onCredentials.flatMap(({ actions: each }) => each)).toEqual(["kms:Decrypt"]);
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
