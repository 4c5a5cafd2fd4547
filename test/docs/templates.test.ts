// Permissions and alarms of the documents, against the templates of a stage that has everything there is.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Template } from "aws-cdk-lib/assertions";
import { describe, expect, it } from "vitest";
import { buildApp } from "../../bin/causeway.ts";
import { parseStageSettings } from "../../lib/config.ts";
import { anchorsOf, documentAt, root, spansOf, tablesOf } from "./documents.ts";

const rooms = ["replication", "alerts", "relay", "console"];
const templates = synthesiseEverything();

/** The stage of the laptop, with what it leaves out. */
function synthesiseEverything(): Template[] {
  const settings = JSON.parse(readFileSync(join(root, "stages/local.json"), "utf8"));
  settings.replication.mirror.mirrorDeletes = true;
  settings.replication.exports.schemas = {
    subnetIds: ["subnet-0123456789abcdef0"],
    securityGroupIds: ["sg-0123456789abcdef0"],
    connections: [{ databaseId: "orders", engine: "mysql", host: "orders.example.com" }],
  };
  const folder = mkdtempSync(join(tmpdir(), "causeway-docs-"));
  try {
    const assembly = buildApp(parseStageSettings("local", JSON.stringify(settings)), folder).synth();
    return rooms.map((room) => Template.fromJSON(assembly.getStackByName(`causeway-local-${room}`).template));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

interface PolicyProperties {
  readonly Roles: readonly { readonly Ref: string }[];
  readonly PolicyDocument: {
    readonly Statement: readonly {
      readonly Effect: string;
      readonly Action: string | string[];
      readonly Resource: unknown;
    }[];
  };
}

/** By the function's entry: the actions that its role allows, without those that the page states for all of them. */
const grantedByEntry = new Map(
  templates.flatMap((template) =>
    Object.values(template.findResources("AWS::Lambda::Function")).map(({ Properties }) => {
      const [, entry = ""] = /^[a-z]+: ([a-z-]+)\. /.exec(Properties.Description) ?? [];
      const [role = ""] = Properties.Role["Fn::GetAtt"];
      return [entry, grantedActions(template, role)] as const;
    }),
  ),
);

function grantedActions(template: Template, role: string): string[] {
  return Object.values(template.findResources("AWS::IAM::Policy"))
    .map(({ Properties }) => Properties as PolicyProperties)
    .filter(({ Roles }) => Roles.some(({ Ref }) => Ref === role))
    .flatMap(({ PolicyDocument }) => PolicyDocument.Statement)
    .flatMap(({ Effect, Action, Resource }) =>
      Effect === "Allow" ? [Action].flat().filter((action) => !isCommonAction(action, Resource)) : [],
    );
}

/** The key of the relay's credentials is not the data key that most functions use. */
function isCommonAction(action: string, resource: unknown): boolean {
  const throughKey = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey"];
  const isOfDataKey = throughKey.includes(action) && !JSON.stringify(resource).includes("RelayCredentialsKey");
  return action.startsWith("logs:") || action.startsWith("xray:") || isOfDataKey;
}

describe("docs/permissions.md", () => {
  const permissions = documentAt("docs/permissions.md");
  const rows = tablesOf(permissions, "Function").flat();
  const stated = new Map(rows.map(([name = "", allowed = ""]) => [name.replaceAll("`", ""), allowed]));

  it("has one row for every function of every stack, and no other", () => {
    expect(grantedByEntry.size).toBeGreaterThan(30);
    expect(rows).toHaveLength(stated.size);
    expect([...stated.keys()].sort()).toEqual([...grantedByEntry.keys()].sort());
  });

  it.each([...grantedByEntry])("lists what the role of %s allows in the templates", (entry, granted) => {
    const allowed = stated.get(entry) ?? "";
    const actions = [...allowed.matchAll(/`([a-z0-9]+:[A-Za-z]+)`/g)].map(([, action]) => action);
    expect([...new Set(actions)].sort()).toEqual([...new Set(granted)].sort());
  });

  it("says that no function deletes objects, and which three delete items, and so it is", () => {
    const deleting = [...grantedByEntry.values()].flat().filter((action) => /Delete|\*/.test(action));
    // A message that is done with; the network interface of a function in a network.
    expect([...new Set(deleting)].sort()).toEqual([
      "dynamodb:DeleteItem",
      "ec2:DeleteNetworkInterface",
      "sqs:DeleteMessage",
    ]);
    const ofItems = [...grantedByEntry].filter(([, granted]) => granted.includes("dynamodb:DeleteItem"));
    const [, said = ""] =
      /`dynamodb:DeleteItem` in three of the relay's alone: ([^.]+)\./.exec(permissions.prose) ?? [];
    expect(spansOf(said).sort()).toEqual(ofItems.map(([entry]) => entry).sort());
  });

  it("says who may open credentials of upstream accounts, and who may only seal them", () => {
    const may = (action: string) =>
      [...grantedByEntry].filter(([, granted]) => granted.includes(action)).map(([entry]) => entry);
    expect(may("kms:Decrypt").sort()).toEqual(["probe-account", "relay"]);
    expect(may("kms:GenerateDataKey")).toEqual(["change-accounts"]);
  });
});

describe("docs/runbook.md", () => {
  const descriptions = templates.flatMap((template) =>
    Object.values(template.findResources("AWS::CloudWatch::Alarm")).map(
      ({ Properties }) => Properties.AlarmDescription as string,
    ),
  );

  it.each([...new Set(descriptions)])("has the heading that an alarm leads to: %s", (description) => {
    const [, anchor = ""] = / Runbook: docs\/runbook\.md#(\S+)$/.exec(description) ?? [];
    expect(anchorsOf(documentAt("docs/runbook.md"))).toContain(anchor);
  });

  it("has no heading of an alarm that is gone", () => {
    const titles = new Set(descriptions.map((description) => description.replace(/: .*/, "")));
    const headings = [...documentAt("docs/runbook.md").prose.matchAll(/^## ([a-z-]+ fails)$/gm)].map(
      ([, title]) => title,
    );
    expect(headings.filter((title) => !titles.has(title ?? ""))).toEqual([]);
  });
});
