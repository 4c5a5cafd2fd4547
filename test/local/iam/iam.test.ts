// The permission check, evaluated as AWS does.
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { ServiceError } from "../../../local/gateway/service.ts";
import { Iam } from "../../../local/iam/iam.ts";
import type { PolicyStatement } from "../../../local/iam/policy-document.ts";

const accountId = "111122223333";
const roleArn = `arn:aws:iam::${accountId}:role/path/reader`;
const bucketArn = "arn:aws:s3:::papers";
const temporary: string[] = [];

afterEach(() => {
  for (const directory of temporary.splice(0)) rmSync(directory, { recursive: true });
});

function stateDirectory(): string {
  const directory = mkdtempSync(path.join(tmpdir(), "iam-"));
  temporary.push(directory);
  return directory;
}

function iamWith(
  statements: PolicyStatement[],
  trust: PolicyStatement[] = [trustLambda],
  directory = stateDirectory(),
) {
  const iam = new Iam({ accountId, region: "eu-central-1", stateDirectory: directory });
  iam.addRoles([
    { arn: roleArn, trust: { Statement: trust }, policies: [{ name: "own", document: { Statement: statements } }] },
  ]);
  return iam;
}

const trustLambda: PolicyStatement = {
  Effect: "Allow",
  Action: "sts:AssumeRole",
  Principal: { Service: "lambda.amazonaws.com" },
};

/** "allowed", or the refusal's sentence. */
function ask(iam: Iam, action: string, resource: string, context?: Record<string, string>): string {
  try {
    iam.authorize(iam.assumeRole(roleArn, "lambda.amazonaws.com"), action, resource, context);
    return "allowed";
  } catch (error) {
    if (error instanceof ServiceError && error.code === "AccessDenied" && error.status === 403) return error.message;
    throw error;
  }
}

const isAllowed = (...question: Parameters<typeof ask>) => ask(...question) === "allowed";

describe("a role", () => {
  test("may do what a statement allows, on the resources named there, and nothing else", () => {
    const iam = iamWith([{ Effect: "Allow", Action: ["s3:Get*", "s3:PutObject"], Resource: `${bucketArn}/in/??/*` }]);
    expect(isAllowed(iam, "s3:GetObject", `${bucketArn}/in/ab/file`)).toBe(true);
    expect(isAllowed(iam, "S3:getobjectversion", `${bucketArn}/in/ab/c/d`)).toBe(true);
    expect(isAllowed(iam, "s3:GetObject", `${bucketArn}/in/abc`)).toBe(false);
    expect(isAllowed(iam, "s3:DeleteObject", `${bucketArn}/in/ab/file`)).toBe(false);
    expect(isAllowed(iam, "s3:PutObjectAcl", `${bucketArn}/in/ab/file`)).toBe(false);
  });

  test("is refused in AWS's words", () => {
    const iam = iamWith([]);
    expect(ask(iam, "s3:GetObject", `${bucketArn}/a`)).toBe(
      `User: arn:aws:sts::${accountId}:assumed-role/reader/local is not authorized to perform: s3:GetObject ` +
        `on resource: ${bucketArn}/a because no identity-based policy allows the s3:GetObject action`,
    );
  });

  test("is stopped by an explicit deny, whatever else allows", () => {
    const iam = iamWith([
      { Effect: "Allow", Action: "*", Resource: "*" },
      { Effect: "Deny", Action: "s3:Delete*", Resource: "*" },
    ]);
    expect(isAllowed(iam, "s3:GetObject", bucketArn)).toBe(true);
    expect(ask(iam, "s3:DeleteObject", `${bucketArn}/a`)).toContain("an explicit deny in an identity-based policy");
  });

  test("is judged by NotAction and NotResource too", () => {
    const iam = iamWith([{ Effect: "Allow", NotAction: "s3:Delete*", NotResource: `${bucketArn}/secret/*` }]);
    expect(isAllowed(iam, "s3:GetObject", `${bucketArn}/open/a`)).toBe(true);
    expect(isAllowed(iam, "s3:DeleteObject", `${bucketArn}/open/a`)).toBe(false);
    expect(isAllowed(iam, "s3:GetObject", `${bucketArn}/secret/a`)).toBe(false);
  });

  test("can be assumed only by the service that its trust policy names, for the source that it names", () => {
    const iam = iamWith(
      [],
      [
        {
          ...trustLambda,
          Condition: { ArnLike: { "aws:SourceArn": "arn:aws:lambda:*:111122223333:function:good-*" } },
        },
      ],
    );
    const source = (name: string) => `arn:aws:lambda:eu-central-1:${accountId}:function:${name}`;
    expect(iam.assumeRole(roleArn, "lambda.amazonaws.com", source("good-one")).arn).toBe(roleArn);
    expect(() => iam.assumeRole(roleArn, "lambda.amazonaws.com", source("bad"))).toThrow("sts:AssumeRole");
    expect(() => iam.assumeRole(roleArn, "states.amazonaws.com", source("good-one"))).toThrow("sts:AssumeRole");
    expect(() => iam.assumeRole(`${roleArn}2`, "lambda.amazonaws.com")).toThrow("sts:AssumeRole");
  });
});

describe("conditions", () => {
  const allowedIf = (Condition: NonNullable<PolicyStatement["Condition"]>, context: Record<string, string>) =>
    isAllowed(
      iamWith([{ Effect: "Allow", Action: "*", Resource: "*", Condition }]),
      "s3:ListBucket",
      bucketArn,
      context,
    );
  const cases: [object, Record<string, string>, boolean][] = [
    [{ StringEquals: { "s3:prefix": ["a", "b"] } }, { "s3:prefix": "b" }, true],
    [{ StringEquals: { "S3:PREFIX": "b" } }, { "s3:prefix": "b" }, true],
    [{ StringEquals: { "s3:prefix": "b" } }, {}, false],
    [{ StringEqualsIfExists: { "s3:prefix": "b" } }, {}, true],
    [{ StringEqualsIfExists: { "s3:prefix": "b" } }, { "s3:prefix": "c" }, false],
    [{ StringNotEquals: { "s3:prefix": ["a", "b"] } }, { "s3:prefix": "c" }, true],
    [{ StringNotEquals: { "s3:prefix": ["a", "b"] } }, { "s3:prefix": "a" }, false],
    [{ StringNotEquals: { "s3:prefix": "a" } }, {}, true],
    [{ StringLike: { "s3:prefix": "in/*" } }, { "s3:prefix": "in/x" }, true],
    [{ StringLike: { "s3:prefix": "in/*" } }, { "s3:prefix": "out/x" }, false],
    [{ ArnLike: { "aws:PrincipalArn": `arn:aws:iam::*:role/path/*` } }, {}, true],
    [{ ArnEquals: { "aws:PrincipalArn": `arn:aws:*:role/path/*` } }, {}, false],
    [{ Bool: { "aws:SecureTransport": "true" } }, {}, true],
    [{ Bool: { "aws:SecureTransport": "false" } }, {}, false],
    [{ NumericLessThan: { "s3:TlsVersion": "1.2" } }, {}, false],
    [{ NumericGreaterThanEquals: { "s3:max-keys": "10" } }, { "s3:max-keys": "9" }, false],
    [{ NumericGreaterThanEquals: { "s3:max-keys": "9" } }, { "s3:max-keys": "10" }, true],
    [{ Null: { "s3:prefix": "true" } }, {}, true],
    [{ "ForAllValues:StringEquals": { "dynamodb:LeadingKeys": "a" } }, { "dynamodb:LeadingKeys": "a" }, true],
    [{ "ForAllValues:StringEquals": { "dynamodb:LeadingKeys": "a" } }, { "dynamodb:LeadingKeys": "b" }, false],
    [{ StringEquals: { "s3:prefix": "a" }, Bool: { "aws:SecureTransport": "true" } }, { "s3:prefix": "b" }, false],
  ];
  test.each(cases)("%j with %j", (condition, context, expected) => {
    expect(allowedIf(condition as NonNullable<PolicyStatement["Condition"]>, context)).toBe(expected);
  });

  test("that are not evaluated are named, allow nothing and always deny", () => {
    const Condition = { DateLessThan: { "aws:CurrentTime": "2030-01-01T00:00:00Z" } };
    const allowing = iamWith([{ Effect: "Allow", Action: "*", Resource: "*", Condition }]);
    expect(isAllowed(allowing, "s3:GetObject", bucketArn)).toBe(false);
    expect(allowing.unsupported).toEqual([
      `policy own of ${roleArn}: the condition DateLessThan aws:CurrentTime is not evaluated; the statement allows nothing.`,
    ]);
    const denying = iamWith([
      { Effect: "Allow", Action: "*", Resource: "*" },
      { Effect: "Deny", Action: "*", Resource: "*", Condition },
    ]);
    expect(isAllowed(denying, "s3:GetObject", bucketArn)).toBe(false);
    expect(denying.unsupported[0]).toContain("always denies");
  });
});

describe("a resource's own policy", () => {
  test("denies what a role's policy would allow, on a bucket and in it", () => {
    const iam = iamWith([{ Effect: "Allow", Action: "s3:*", Resource: "*" }]);
    const deny = (Action: string) => ({
      Effect: "Deny",
      Principal: "*" as const,
      Action,
      Resource: [bucketArn, `${bucketArn}/*`],
    });
    iam.addResourcePolicy(bucketArn, { Statement: [deny("s3:DeleteObject"), deny("s3:ListBucket")] });
    expect(ask(iam, "s3:DeleteObject", `${bucketArn}/a`)).toContain("an explicit deny in a resource-based policy");
    expect(isAllowed(iam, "s3:ListBucket", bucketArn)).toBe(false);
    expect(isAllowed(iam, "s3:GetObject", `${bucketArn}/a`)).toBe(true);
    expect(isAllowed(iam, "s3:DeleteObject", `${bucketArn}-of-another/a`)).toBe(true);
  });

  test("that spares plain HTTP only from outside leaves the laptop's loopback alone", () => {
    const iam = iamWith([{ Effect: "Allow", Action: "s3:*", Resource: "*" }]);
    iam.addResourcePolicy(bucketArn, {
      Statement: {
        Effect: "Deny",
        Principal: { AWS: "*" },
        Action: "s3:*",
        Resource: [bucketArn, `${bucketArn}/*`],
        Condition: { Bool: { "aws:SecureTransport": "false" } },
      },
    });
    expect(isAllowed(iam, "s3:GetObject", `${bucketArn}/a`)).toBe(true);
  });

  test("allows a role that has no policy of its own for it", () => {
    const iam = iamWith([]);
    const statement = {
      Effect: "Allow",
      Principal: { AWS: roleArn },
      Action: "s3:GetObject",
      Resource: `${bucketArn}/*`,
    };
    iam.addResourcePolicy(bucketArn, { Statement: statement });
    expect(isAllowed(iam, "s3:GetObject", `${bucketArn}/a`)).toBe(true);
    expect(isAllowed(iam, "s3:PutObject", `${bucketArn}/a`)).toBe(false);
  });

  test("of a key must open it to the account before the account's roles can use it", () => {
    const keyArn = `arn:aws:kms:eu-central-1:${accountId}:key/1`;
    const granted: PolicyStatement[] = [{ Effect: "Allow", Action: "kms:Sign", Resource: keyArn }];
    const keyPolicy = (AWS: string) => ({
      Statement: { Effect: "Allow", Principal: { AWS }, Action: "kms:*", Resource: "*" },
    });
    const open = iamWith(granted);
    open.addResourcePolicy(keyArn, keyPolicy(`arn:aws:iam::${accountId}:root`));
    expect(isAllowed(open, "kms:Sign", keyArn)).toBe(true);
    expect(isAllowed(open, "kms:Verify", keyArn)).toBe(false);
    const closed = iamWith(granted);
    closed.addResourcePolicy(keyArn, keyPolicy(`arn:aws:iam::${accountId}:role/other`));
    expect(ask(closed, "kms:Sign", keyArn)).toContain("no resource-based policy allows");
  });

  test("decides which service of AWS may reach a queue, and for whom", () => {
    const iam = iamWith([]);
    const queueArn = `arn:aws:sqs:eu-central-1:${accountId}:heard`;
    const ruleArn = `arn:aws:events:eu-central-1:${accountId}:rule/on-paper`;
    iam.addResourcePolicy(queueArn, {
      Statement: {
        Effect: "Allow",
        Principal: { Service: "events.amazonaws.com" },
        Action: "sqs:SendMessage",
        Resource: queueArn,
        Condition: { ArnEquals: { "aws:SourceArn": ruleArn } },
      },
    });
    const may = (service: string, sourceArn: string) =>
      iam.serviceMay({ service, action: "sqs:SendMessage", resource: queueArn, sourceArn });
    expect(may("events.amazonaws.com", ruleArn)).toBe(true);
    expect(may("events.amazonaws.com", `${ruleArn}-2`)).toBe(false);
    expect(may("sns.amazonaws.com", ruleArn)).toBe(false);
  });
});

describe("principals", () => {
  test("the operator may do everything", () => {
    const iam = iamWith([]);
    expect(iam.operator.accessKeyId).toBe("AKIACAUSEWAYOPERATOR");
    expect(() => iam.authorize(iam.operator, "s3:DeleteBucket", "*")).not.toThrow();
  });

  test("keep their keys over a restart, in a file that only the owner may read", () => {
    const directory = stateDirectory();
    const first = iamWith([], [trustLambda], directory).assumeRole(roleArn, "lambda.amazonaws.com");
    const second = iamWith([], [trustLambda], directory).assumeRole(roleArn, "lambda.amazonaws.com");
    expect(second).toEqual(first);
    expect(first.accessKeyId).toMatch(/^ASIA[0-9A-F]{16}$/);
    const file = path.join(directory, "credentials.json");
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readFileSync(file, "utf8")).toContain(first.secretAccessKey);
    const elsewhere = iamWith([]).assumeRole(roleArn, "lambda.amazonaws.com");
    expect(elsewhere.secretAccessKey).not.toBe(first.secretAccessKey);
  });
});

test("every question is recorded with its outcome, and unused grants can be told", () => {
  const iam = iamWith([{ Effect: "Allow", Action: ["s3:GetObject", "s3:PutObject"], Resource: "*" }]);
  for (const action of ["s3:GetObject", "s3:GetObject", "s3:DeleteObject"]) ask(iam, action, `${bucketArn}/a`);
  expect(iam.calls.list()).toEqual([
    { principalArn: roleArn, action: "s3:GetObject", resource: `${bucketArn}/a`, allowed: true, count: 2 },
    { principalArn: roleArn, action: "s3:DeleteObject", resource: `${bucketArn}/a`, allowed: false, count: 1 },
  ]);
  expect(iam.calls.denied().map((call) => call.action)).toEqual(["s3:DeleteObject"]);
  expect(iam.grants().filter((grant) => grant.uses === 0)).toEqual([
    { roleArn, policyName: "own", statementIndex: 0, action: "s3:PutObject", uses: 0 },
  ]);
});

test("a grant can be taken away and given back", () => {
  const iam = iamWith([{ Effect: "Allow", Action: ["s3:GetObject", "s3:PutObject"], Resource: "*" }]);
  const grant = { roleArn, policyName: "own", statementIndex: 0, action: "s3:GetObject" };
  const giveBack = iam.withhold(grant);
  expect(isAllowed(iam, "s3:GetObject", `${bucketArn}/a`)).toBe(false);
  expect(isAllowed(iam, "s3:PutObject", `${bucketArn}/a`)).toBe(true);
  giveBack();
  expect(isAllowed(iam, "s3:GetObject", `${bucketArn}/a`)).toBe(true);
  expect(() => iam.withhold({ ...grant, action: "s3:*" })).toThrow("no such grant");
});
