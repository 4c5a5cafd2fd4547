// StartExportTask under the official client: everything it refuses, and under whose permissions it works.
import type { StartExportTaskMessage } from "@aws-sdk/client-rds";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { PolicyStatement } from "../../../local/iam/policy-document.ts";
import {
  accountId,
  bucket,
  callerRoleArn,
  exportRoleArn,
  goodCallerStatements,
  goodExportStatements,
  goodTrust,
  RdsRig,
  type RigOptions,
  region,
  snapshotArn,
} from "./rds-rig.ts";
import { shop } from "./shop-database.ts";

let rig: RdsRig;

async function openRig(options: RigOptions = {}): Promise<void> {
  rig = await RdsRig.start(options);
  rig.rds.ensureDatabase(shop);
  rig.rds.addSnapshot({ databaseId: "shop", snapshotId: "shop-1" });
}

afterEach(() => rig.close());

/** Name and status of the refusal. */
async function refusal(options: Partial<StartExportTaskMessage>, roleArn?: string): Promise<string> {
  const answer = await rig.startExport(options, roleArn).catch((error: unknown) => error);
  const { name, $metadata } = answer as { name?: string; $metadata: { httpStatusCode?: number } };
  return `${name} ${$metadata.httpStatusCode}`;
}

describe("a request that is wrong", () => {
  beforeEach(() => openRig());

  test("is refused with the error that RDS has for it, and starts nothing", async () => {
    const { rds } = rig;
    rds.addSnapshot({ databaseId: "shop", snapshotId: "unfinished", status: "creating" });
    rds.addSnapshot({ databaseId: "shop", snapshotId: "magnetic", storageType: "standard" });
    rds.ensureDatabase({ databaseId: "books", engine: "sqlserver-ex", engineVersion: "16.00" });
    rds.addSnapshot({ databaseId: "books", snapshotId: "books-1" });
    rds.ensureDatabase({ databaseId: "old", engine: "postgres", engineVersion: "9.3.25" });
    rds.addSnapshot({ databaseId: "old", snapshotId: "old-1" });
    const cases: [Partial<StartExportTaskMessage>, string][] = [
      [{ ExportTaskIdentifier: undefined }, "MissingParameter 400"],
      [{ KmsKeyId: undefined }, "MissingParameter 400"],
      [{ ExportTaskIdentifier: "1st" }, "InvalidParameterValue 400"],
      [{ ExportTaskIdentifier: "a--b" }, "InvalidParameterValue 400"],
      [{ ExportTaskIdentifier: "a-" }, "InvalidParameterValue 400"],
      [{ ExportTaskIdentifier: "a_b" }, "InvalidParameterValue 400"],
      [{ ExportTaskIdentifier: `a${"b".repeat(60)}` }, "InvalidParameterValue 400"],
      [{ S3Prefix: "mysql/12:00" }, "InvalidParameterValue 400"],
      [{ SourceArn: "shop-1" }, "InvalidParameterValue 400"],
      [{ SourceArn: snapshotArn("shop-1").replace(region, "us-west-2") }, "InvalidParameterValue 400"],
      [{ SourceArn: snapshotArn("none") }, "DBSnapshotNotFoundFault 404"],
      [
        { SourceArn: snapshotArn("none").replace(":snapshot", ":cluster-snapshot") },
        "DBClusterSnapshotNotFoundFault 404",
      ],
      [{ SourceArn: snapshotArn("unfinished") }, "InvalidExportSourceStateFault 400"],
      [{ SourceArn: snapshotArn("magnetic") }, "InvalidParameterValue 400"],
      [{ SourceArn: snapshotArn("books-1") }, "InvalidParameterValue 400"],
      [{ SourceArn: snapshotArn("old-1") }, "InvalidParameterValue 400"],
      [{ ExportOnly: ["shop.none"] }, "InvalidExportOnlyFault 400"],
      [{ ExportOnly: ["shop.every type"] }, "InvalidExportOnlyFault 400"],
      [{ ExportOnly: Array.from({ length: 30_000 }, () => "shop.orders") }, "InvalidExportOnlyFault 400"],
      [{ KmsKeyId: "alias/none" }, "KMSKeyNotAccessibleFault 400"],
      [{ IamRoleArn: `arn:aws:iam::${accountId}:role/none` }, "IamRoleNotFoundFault 404"],
      [{ S3BucketName: "none" }, "InvalidS3BucketFault 400"],
    ];
    for (const [options, expected] of cases)
      expect(await refusal(options), JSON.stringify(options).slice(0, 80)).toBe(expected);
    expect(await rig.keys()).toEqual([]);
    await expect(rig.task("t1")).rejects.toMatchObject({ name: "ExportTaskNotFoundFault" });
  });

  test("an identifier is used up for ever, and a snapshot is exported once at a time", async () => {
    await rig.startExport();
    expect(await refusal({})).toBe("ExportTaskAlreadyExistsFault 400");
    expect(await refusal({ ExportTaskIdentifier: "t2" })).toBe("InvalidExportSourceStateFault 400");
    await rig.rds.settled();
    expect(await refusal({})).toBe("ExportTaskAlreadyExistsFault 400");
    expect(await rig.startExport({ ExportTaskIdentifier: "t2" })).toMatchObject({ Status: "STARTING" });
  });

  test("the sixth task of the account is refused, whoever has the five", async () => {
    rig.rds.occupySlots(3);
    rig.rds.addSnapshot({ databaseId: "shop", snapshotId: "shop-2" });
    rig.rds.addSnapshot({ databaseId: "shop", snapshotId: "shop-3" });
    // Both at once: neither may slip through while the other is being checked.
    const [first, second, third] = await Promise.all([
      refusal({ ExportTaskIdentifier: "t1" }),
      refusal({ ExportTaskIdentifier: "t2", SourceArn: snapshotArn("shop-2") }),
      refusal({ ExportTaskIdentifier: "t3", SourceArn: snapshotArn("shop-3") }),
    ]);
    expect([first, second, third].toSorted()).toEqual([
      "ExportTaskLimitReachedFault 400",
      "undefined 200",
      "undefined 200",
    ]);
    rig.rds.occupySlots(2);
    await rig.rds.settled();
    expect(await rig.startExport({ ExportTaskIdentifier: "t4" })).toMatchObject({ Status: "STARTING" });
  });

  test("trouble of S3's own is a failure of RDS, which may be tried again", async () => {
    rig.faults.add({
      service: "s3",
      operation: "GetBucketLocation",
      effect: { kind: "error", status: 400, code: "Odd" },
    });
    expect(await refusal({})).toBe("InternalFailure 500");
    expect(await rig.startExport()).toMatchObject({ Status: "STARTING" });
  });

  test("nothing of the probe is left in the bucket", async () => {
    await rig.startExport({ S3Prefix: "mysql/" });
    const probed = rig.iam.calls.list().filter(({ resource }) => resource.includes("/t1/rds_export_probe_"));
    expect(new Set(probed.map(({ principalArn }) => principalArn))).toEqual(new Set([exportRoleArn]));
    expect(probed.map(({ action }) => action)).toEqual(["s3:PutObject", "s3:GetObject", "s3:DeleteObject"]);
    expect((await rig.keys()).filter((key) => key.includes("probe"))).toEqual([]);
    await rig.rds.settled();
    expect(await rig.keys()).toContain("mysql/t1/export_info_t1.json");
  });
});

describe("permissions", () => {
  test("a role with what the documentation names may export, and every grant of the export's role is used", async () => {
    await openRig();
    expect(await rig.startExport({}, callerRoleArn)).toMatchObject({ Status: "STARTING" });
    await rig.rds.settled();
    expect(await rig.task("t1")).toMatchObject({ Status: "COMPLETE" });
    const unused = rig.iam.grants().filter(({ roleArn, uses }) => roleArn === exportRoleArn && uses === 0);
    expect(unused).toEqual([]);
    expect(rig.iam.calls.denied()).toEqual([]);
  });

  test.each<[string, number, string]>([
    ["rds:StartExportTask", 1, "AccessDenied 403"],
    ["iam:PassRole", 2, "AccessDenied 403"],
    ["kms:DescribeKey", 3, "KMSKeyNotAccessibleFault 400"],
    ["kms:CreateGrant", 3, "KMSKeyNotAccessibleFault 400"],
  ])("the caller needs %s", async (action, statementIndex, expected) => {
    await openRig();
    rig.iam.withhold({ roleArn: callerRoleArn, policyName: "own", statementIndex, action });
    expect(await refusal({}, callerRoleArn)).toBe(expected);
  });

  test.each<[string, number, string]>([
    ["s3:GetBucketLocation", 0, "IamRoleMissingPermissionsFault 400"],
    ["s3:ListBucket", 0, "IamRoleMissingPermissionsFault 400"],
    ["s3:PutObject*", 1, "IamRoleMissingPermissionsFault 400"],
    ["s3:GetObject*", 1, "IamRoleMissingPermissionsFault 400"],
    ["s3:DeleteObject*", 1, "IamRoleMissingPermissionsFault 400"],
    ["kms:GenerateDataKey*", 2, "KMSKeyNotAccessibleFault 400"],
    ["kms:Encrypt", 2, "KMSKeyNotAccessibleFault 400"],
    ["kms:Decrypt", 2, "KMSKeyNotAccessibleFault 400"],
  ])("the export's role needs %s", async (action, statementIndex, expected) => {
    await openRig();
    rig.iam.withhold({ roleArn: exportRoleArn, policyName: "own", statementIndex, action });
    expect(await refusal({})).toBe(expected);
  });

  test("the export's role writes below its own prefix only", async () => {
    await openRig();
    await expect(rig.startExport({ S3Prefix: "elsewhere" })).rejects.toMatchObject({
      name: "IamRoleMissingPermissionsFault",
      message: `The IAM role ${exportRoleArn} isn't authorized to call s3:PutObject on the S3 bucket ${bucket}. Review your permissions and retry the export.`,
    });
  });

  test.each<[string, PolicyStatement]>([
    ["another service", { ...goodTrust, Principal: { Service: "rds.amazonaws.com" } }],
    ["another account", { ...goodTrust, Condition: { StringEquals: { "aws:SourceAccount": "999900001111" } } }],
    [
      "another source",
      { ...goodTrust, Condition: { ArnLike: { "aws:SourceArn": "arn:aws:rds:*:*:cluster-snapshot:*" } } },
    ],
  ])("a role that trusts %s is not assumed", async (_whom, trust) => {
    await openRig({ trust });
    expect(await refusal({})).toBe("IamRoleNotFoundFault 404");
  });

  test("passing the role to another service than RDS's export is not enough", async () => {
    await openRig({
      callerStatements: (keyArn) =>
        goodCallerStatements(keyArn).map((statement) =>
          statement.Action === "iam:PassRole"
            ? { ...statement, Condition: { StringEquals: { "iam:PassedToService": "lambda.amazonaws.com" } } }
            : statement,
        ),
    });
    expect(await refusal({}, callerRoleArn)).toBe("AccessDenied 403");
  });

  test("the bucket must be in the snapshot's region", async () => {
    const everyBucket = (keyArn: string): PolicyStatement[] => [
      ...goodExportStatements(keyArn),
      { Effect: "Allow", Action: "s3:*", Resource: "*" },
    ];
    await openRig({ exportStatements: everyBucket, bucketRegion: "us-west-2" });
    await expect(rig.startExport()).rejects.toMatchObject({
      name: "InvalidS3BucketFault",
      message: expect.stringContaining("isn't located in the current AWS Region"),
    });
  });
});
