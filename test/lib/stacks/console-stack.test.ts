// The console stack: a method for each route of every room, refusals in the API's own words, who may sign in, who may do what.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Template } from "aws-cdk-lib/assertions";
import { describe, expect, it } from "vitest";
import { securityHeaders } from "../../../lambdas/shared/envelope.ts";
import { retryableByName } from "../../../lambdas/shared/errors.ts";
import { statusByName } from "../../../lambdas/shared/http-errors.ts";
import { roles } from "../../../lambdas/shared/routes.ts";
import { refusalHeaders, refusals } from "../../../lib/constructs/gateway-responses.ts";
import { groupNames } from "../../../lib/constructs/sign-in.ts";
import { allRoutes } from "../../../lib/routes.ts";
import { actionsOf, statementsOf, withApp } from "./template.ts";

const { console, report, workflows } = withApp("prod", (app, folder) => {
  const assembly = app.synth();
  const template = (room: string) => Template.fromJSON(assembly.getStackByName(`causeway-prod-${room}`).template);
  const machines = template("replication").findResources("AWS::StepFunctions::StateMachine");
  return {
    console: template("console"),
    report: JSON.parse(readFileSync(join(folder, "validation-report.json"), "utf8")) as { pluginReports: unknown[] },
    workflows: Object.values(machines).map((resource) => String(resource.Properties.StateMachineName)),
  };
});

type Properties = Readonly<Record<string, unknown>>;

const propertiesOf = (type: string): Properties[] =>
  Object.values(console.findResources(type)).map((resource) => resource.Properties as Properties);

/** Methods by `GET /api/jobs`. */
function methods(): Map<string, Properties> {
  const resources = console.findResources("AWS::ApiGateway::Resource");
  const pathOf = (id: unknown): string => {
    const reference = (id as { Ref?: string }).Ref;
    if (reference === undefined) return "";
    const { ParentId, PathPart } = (resources[reference]?.Properties ?? {}) as Properties;
    return `${pathOf(ParentId)}/${PathPart}`;
  };
  return new Map(
    propertiesOf("AWS::ApiGateway::Method").map((method) => [
      `${method.HttpMethod} ${pathOf(method.ResourceId) || "/"}`,
      method,
    ]),
  );
}

describe("the API", () => {
  const found = methods();

  it.each(allRoutes.map((route) => [`${route.method} ${route.path}`, route] as const))(
    "has %s, behind the authorizer unless it is open",
    (name, { access, method, path }) => {
      const isOpen = !roles.some((role) => role === access);
      const expected = { AuthorizationType: isOpen ? "NONE" : "CUSTOM", Integration: { Type: "AWS_PROXY" } };
      expect(found.get(name)).toMatchObject(expected);
      if (method === "GET") expect(found.get(`HEAD ${path}`)).toMatchObject(expected);
      expect(found.get(`ANY ${path}`)).toMatchObject({ AuthorizationType: "NONE", Integration: { Type: "AWS_PROXY" } });
    },
  );

  it("has no other methods, and answers what is not there", () => {
    const known = allRoutes.flatMap(({ method, path }) => [`${method} ${path}`, `HEAD ${path}`, `ANY ${path}`]);
    expect([...found.keys()].filter((name) => !known.includes(name)).sort()).toEqual(["ANY /", "ANY /{proxy+}"]);
  });

  it("takes TLS 1.2 and newer, throttles, and logs who asked for what without queries or bodies", () => {
    expect(propertiesOf("AWS::ApiGateway::RestApi")).toMatchObject([
      { EndpointConfiguration: { Types: ["REGIONAL"] }, SecurityPolicy: expect.stringContaining("TLS13_1_2") },
    ]);
    const [stage] = propertiesOf("AWS::ApiGateway::Stage");
    expect(stage).toMatchObject({
      StageName: "prod",
      TracingEnabled: true,
      MethodSettings: [{ DataTraceEnabled: false, LoggingLevel: "ERROR", ThrottlingRateLimit: 50 }],
    });
    const { Format = "" } = (stage?.AccessLogSetting ?? {}) as { Format?: string };
    expect(Object.keys(JSON.parse(Format) as object)).toEqual(
      expect.arrayContaining(["requestId", "subject", "sourceIp", "method", "path", "status"]),
    );
    expect(Format).not.toMatch(/query|header|body/i);
  });

  it("refuses in the same envelope, by the same names and with the same headers as the functions", () => {
    expect(refusalHeaders).toEqual(securityHeaders);
    for (const { type, status, name, retryable = false } of refusals) {
      expect(Object.keys(statusByName), type.responseType).toContain(name);
      expect([
        statusByName[name as keyof typeof statusByName],
        retryableByName[name as keyof typeof retryableByName],
      ]).toEqual([status, retryable]);
    }
    const responses = propertiesOf("AWS::ApiGateway::GatewayResponse");
    expect(responses).toHaveLength(refusals.length);
    for (const { StatusCode, ResponseTemplates } of responses) {
      const text = (ResponseTemplates as Readonly<Record<string, string>>)["application/json"] ?? "";
      expect(JSON.parse(text)).toMatchObject({
        code: Number(StatusCode),
        data: { requestId: "$context.requestId", fields: [] },
      });
    }
  });

  it("may call each function by one permission that names this API alone", () => {
    const permissions = propertiesOf("AWS::Lambda::Permission").filter(
      ({ Principal }) => Principal === "apigateway.amazonaws.com",
    );
    const functions = permissions.map(({ FunctionName }) => JSON.stringify(FunctionName));
    expect(new Set(functions).size).toBe(functions.length);
    expect(functions.length).toBe(new Set(allRoutes.map(({ entry }) => entry)).size + 1);
    for (const { SourceArn } of permissions) expect(JSON.stringify(SourceArn)).toMatch(/"Ref":"HttpApi/);
  });
});

describe("signing in", () => {
  it("is for whom an admin invites, with good passwords, and a second factor where they want one", () => {
    expect(propertiesOf("AWS::Cognito::UserPool")).toMatchObject([
      {
        AdminCreateUserConfig: { AllowAdminCreateUserOnly: true },
        DeletionProtection: "ACTIVE",
        EnabledMfas: ["SOFTWARE_TOKEN_MFA"],
        MfaConfiguration: "OPTIONAL",
        Policies: { PasswordPolicy: { MinimumLength: 14, RequireSymbols: true } },
      },
    ]);
    expect(propertiesOf("AWS::Cognito::UserPoolUser")).toMatchObject([
      {
        UserAttributes: [
          { Name: "email", Value: "operations@example.com" },
          { Name: "email_verified", Value: "true" },
        ],
      },
    ]);
    expect(propertiesOf("AWS::Cognito::UserPoolUserToGroupAttachment")).toMatchObject([{ GroupName: "admin" }]);
  });

  it("has a group and a scope for each role", () => {
    expect(groupNames).toEqual(roles);
    expect(
      propertiesOf("AWS::Cognito::UserPoolGroup")
        .map(({ GroupName }) => GroupName)
        .sort(),
    ).toEqual([...roles].sort());
  });

  it("gives people code with PKCE and no secret, and machines no admin", () => {
    const clients = propertiesOf("AWS::Cognito::UserPoolClient");
    const people = clients.find(({ ClientName }) => ClientName === "people");
    const machine = clients.find(({ ClientName }) => ClientName === "machine");
    expect(people).toMatchObject({
      AllowedOAuthFlows: ["code"],
      AllowedOAuthScopes: ["openid", "email"],
      GenerateSecret: false,
      PreventUserExistenceErrors: "ENABLED",
    });
    expect(people?.CallbackURLs).toContain("http://localhost:8917/callback");
    expect(JSON.stringify(people?.CallbackURLs)).toContain("/prod/docs/oauth2-redirect.html");
    expect(machine).toMatchObject({ AllowedOAuthFlows: ["client_credentials"], GenerateSecret: true });
    expect(JSON.stringify(machine?.AllowedOAuthScopes)).not.toContain("admin");
    expect(JSON.stringify(console.findOutputs("*"))).not.toContain("ClientSecret");
  });
});

describe("console's functions", () => {
  const functions = [
    "AnswerRequests",
    "ChangeJobs",
    "ChangeSchedules",
    "CheckReadiness",
    "ShowMetrics",
    "ShowDocs",
    "AuthorizeRequest",
    "CloseJob",
  ];

  it.each(functions)("delete nothing, and have no wildcard among their actions: %s", (constructId) => {
    const actions = actionsOf(console, constructId);
    expect(actions.filter((action) => /Delete|Remove|\*/.test(action))).toEqual([]);
  });

  it.each(["ShowDocs", "AuthorizeRequest"])("that anybody reaches may nothing but log: %s", (constructId) => {
    expect(new Set(actionsOf(console, constructId).map((action) => action.split(":")[0]))).toEqual(
      new Set(["logs", "xray"]),
    );
  });

  it("hand schedules' own roles on to Scheduler, and to nobody else", () => {
    const policies = propertiesOf("AWS::IAM::Policy").flatMap(
      ({ PolicyDocument }) => (PolicyDocument as { Statement: Properties[] }).Statement,
    );
    const passing = policies.filter(({ Action }) => [Action].flat().includes("iam:PassRole"));
    expect(passing).toMatchObject([
      { Condition: { StringEquals: { "iam:PassedToService": "scheduler.amazonaws.com" } } },
    ]);
    expect(JSON.stringify(passing[0]?.Resource)).not.toContain("*");
  });

  it("read one secret, the metrics' token", () => {
    const readers = functions.filter((id) => actionsOf(console, id).includes("secretsmanager:GetSecretValue"));
    expect(readers).toEqual(["ShowMetrics"]);
    const secrets = statementsOf(console, "ShowMetrics").filter(({ actions }) =>
      actions.includes("secretsmanager:GetSecretValue"),
    );
    expect(secrets.flatMap(({ resources }) => resources)).toEqual([
      "arn:aws:secretsmanager:ap-southeast-1:222222222222:secret:/prod/console/metrics-token-*",
    ]);
  });

  it("close the jobs of every workflow of the app", () => {
    const [rule] = propertiesOf("AWS::Events::Rule");
    expect(workflows.length).toBeGreaterThan(0);
    expect(rule?.EventPattern).toMatchObject({
      source: ["aws.states"],
      detail: {
        status: ["ABORTED", "TIMED_OUT", "FAILED"],
        stateMachineArn: expect.arrayContaining(
          workflows.map((name) => `arn:aws:states:ap-southeast-1:222222222222:stateMachine:${name}`),
        ),
      },
    });
  });
});

describe("cdk-nag", () => {
  it("has nothing to say", () => {
    expect(report.pluginReports).toEqual([]);
  });
});
