// What the functions of the relay's admin API may do: which of them come near a credential or the pepper, and how near.
import { Template } from "aws-cdk-lib/assertions";
import { describe, expect, it } from "vitest";
import { actionsOf, withApp } from "./template.ts";

const relay = withApp("prod", (app) => Template.fromJSON(app.synth().getStackByName("causeway-prod-relay").template));

interface PolicyStatement {
  readonly Action: string | readonly string[];
  readonly Resource: unknown;
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

const functions = ["AnswerRelay", "ChangeKeys", "ChangeAccounts", "ChangeRelay", "ShowOwnUsage"] as const;

function statements(constructId: string): PolicyStatement[] {
  return Object.values(relay.findResources("AWS::IAM::Policy"))
    .filter(({ Properties }) =>
      Properties.Roles.some(({ Ref }: { Ref: string }) => Ref.startsWith(`${constructId}Role`)),
    )
    .flatMap(({ Properties }) => Properties.PolicyDocument.Statement as PolicyStatement[]);
}

/** Partitions of RelayAccounts that a function may touch. */
function partitions(constructId: string): string[] {
  return statements(constructId).flatMap(({ Condition }) => {
    const keys = Condition?.["ForAllValues:StringLike"]?.["dynamodb:LeadingKeys"];
    return keys === undefined ? [] : [keys].flat().map(String);
  });
}

/** What of KMS it may do with the key that seals credentials. */
function withCredentialsKey(constructId: string): string[] {
  return statements(constructId)
    .filter(({ Resource }) => JSON.stringify(Resource).includes("RelayCredentialsKey"))
    .flatMap(({ Action }) => [Action].flat())
    .sort();
}

describe("a credential", () => {
  it("is encrypted by one function, which can decrypt none", () => {
    expect(withCredentialsKey("ChangeAccounts")).toEqual(["kms:GenerateDataKey"]);
    for (const id of functions.filter((name) => name !== "ChangeAccounts")) expect(withCredentialsKey(id)).toEqual([]);
  });

  it("lies where no other function of the API may look", () => {
    const near = functions.filter((id) => partitions(id).some((prefix) => prefix.startsWith("cred")));
    expect(near).toEqual(["ChangeAccounts"]);
  });

  it("is bound to the stage by the context of its encryption", () => {
    const [sealing] = statements("ChangeAccounts").filter(({ Resource }) =>
      JSON.stringify(Resource).includes("RelayCredentialsKey"),
    );
    expect(sealing?.Condition).toEqual({ StringEquals: { "kms:EncryptionContext:stage": "prod" } });
  });
});

describe("the functions of the API", () => {
  it.each(functions)(
    "have no wildcard among their actions, scan nothing, and delete what they must alone: %s",
    (id) => {
      const actions = actionsOf(relay, id);
      expect(actions.filter((action) => /\*|Scan|Batch/.test(action))).toEqual([]);
      const deletes = actions.filter((action) => /Delete/.test(action));
      expect(deletes.length > 0, deletes.join(", ")).toBe(id === "ChangeAccounts" || id === "ChangeRelay");
    },
  );

  it("read the pepper only where keys are made, or a holder's key is looked at", () => {
    const readers = functions.filter((id) => actionsOf(relay, id).includes("secretsmanager:GetSecretValue"));
    expect(readers).toEqual(["ChangeKeys", "ShowOwnUsage"]);
  });

  it("that looks at keys for their holders, or shows everything to viewers, changes nothing", () => {
    for (const id of ["AnswerRelay", "ShowOwnUsage"]) {
      expect(actionsOf(relay, id).filter((action) => /^dynamodb:(Put|Update|Delete)|^lambda:/.test(action))).toEqual(
        [],
      );
    }
  });

  it("may call the functions that do the work, and no other", () => {
    const callers = functions.filter((id) => actionsOf(relay, id).includes("lambda:InvokeFunction"));
    expect(callers).toEqual(["ChangeAccounts", "ChangeRelay"]);
    const called = (id: string) => {
      const invoking = statements(id).filter(({ Action }) => [Action].flat().includes("lambda:InvokeFunction"));
      const names = JSON.stringify(invoking).matchAll(/"([A-Z][A-Za-z]+?)Function/g);
      return [...names].map(([, name = ""]) => name).sort();
    };
    expect(called("ChangeAccounts")).toEqual(["ProbeAccount"]);
    expect(called("ChangeRelay")).toEqual(["ExportUsage", "RollUpUsage"]);
  });
});
