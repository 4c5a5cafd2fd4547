// Reads a synthesised stage the way a test asks about it: resources by type, statements by role.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { App } from "aws-cdk-lib";
import { Template } from "aws-cdk-lib/assertions";
import { buildApp } from "../../../bin/causeway.ts";
import { readStageSettings } from "../../../lib/config.ts";

/** A statement of an identity policy, with lists where the template may have single values. */
export interface Statement {
  readonly actions: readonly string[];
  /** Resolved text where it is text, else the intrinsic as JSON. */
  readonly resources: readonly string[];
}

export interface Stage {
  /** The findings of every validation that ran, as the CDK reports them. */
  readonly validationReport: { readonly pluginReports: readonly unknown[] };
  readonly data: Template;
  readonly replication: Template;
  readonly relay: Template;
}

/** Synthesises a stage. */
export function synthesise(stage: string): Stage {
  return withApp(stage, (app, folder) => {
    const assembly = app.synth();
    const report = readFileSync(join(folder, "validation-report.json"), "utf8");
    const template = (room: string) => Template.fromJSON(assembly.getStackByName(`causeway-${stage}-${room}`).template);
    return {
      validationReport: JSON.parse(report) as Stage["validationReport"],
      data: template("data"),
      replication: template("replication"),
      relay: template("relay"),
    };
  });
}

/** The app of a stage, in a folder of its own that is dropped afterwards. */
export function withApp<Result>(stage: string, use: (app: App, folder: string) => Result): Result {
  const folder = mkdtempSync(join(tmpdir(), "causeway-synth-"));
  try {
    return use(buildApp(readStageSettings(stage), folder), folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

interface PolicyProperties {
  readonly PolicyDocument: { readonly Statement: readonly RawStatement[] };
  readonly Roles: readonly { readonly Ref: string }[];
}

interface RawStatement {
  readonly Effect: string;
  readonly Action: string | readonly string[];
  readonly Resource: unknown;
}

/** What the role of a construct may do, such as `CopyBatch`. */
export function statementsOf(template: Template, constructId: string): Statement[] {
  return allStatementsOf(template, constructId, "Allow");
}

/** What is taken away from it again. */
export function denialsOf(template: Template, constructId: string): Statement[] {
  return allStatementsOf(template, constructId, "Deny");
}

function allStatementsOf(template: Template, constructId: string, effect: "Allow" | "Deny"): Statement[] {
  const policies = Object.values(template.findResources("AWS::IAM::Policy"))
    .map((resource) => resource.Properties as PolicyProperties)
    .filter(({ Roles }) => Roles.some(({ Ref }) => Ref.startsWith(`${constructId}Role`)));
  return policies.flatMap(({ PolicyDocument }) =>
    PolicyDocument.Statement.filter(({ Effect }) => Effect === effect).map(({ Action, Resource }) => ({
      actions: [Action].flat(),
      resources: [Resource].flat().map(asText),
    })),
  );
}

export function actionsOf(template: Template, constructId: string): string[] {
  return statementsOf(template, constructId)
    .flatMap(({ actions }) => actions)
    .sort();
}

function asText(resource: unknown): string {
  return typeof resource === "string" ? resource : JSON.stringify(resource);
}

/** A text in which references stand as `<logical id>`. */
export function joinedText(value: unknown): string {
  if (typeof value === "string") return value;
  const { Ref, "Fn::Join": join } = value as { Ref?: string; "Fn::Join"?: [string, unknown[]] };
  return Ref === undefined ? (join?.[1] ?? []).map(joinedText).join(join?.[0]) : `<${Ref}>`;
}
