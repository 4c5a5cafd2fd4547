// The sample databases on RDS, as the official client and an export see them.
import path from "node:path";
import { DescribeDBClusterSnapshotsCommand, DescribeDBSnapshotsCommand } from "@aws-sdk/client-rds";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type RdsSample, registerRdsSamples, sampleDatabases } from "../../../local/samples/rds-databases.ts";
import { RdsRig } from "../rds/rds-rig.ts";

let rig: RdsRig;
let samples: RdsSample[];
const register = () => registerRdsSamples(rig, { directory: path.join(rig.folder, "samples") });

beforeEach(async () => {
  rig = await RdsRig.start();
  samples = await register();
});
afterEach(() => rig.close());

const start = ({ arn, snapshotId }: RdsSample) =>
  rig.startExport({ ExportTaskIdentifier: `t-${snapshotId.replace("rds:", "")}`, SourceArn: arn });

test("the samples to be exported export, with every row that they promise", async () => {
  for (const sample of samples.filter(({ outcome }) => outcome === "exported")) {
    expect(await start(sample), sample.about).toMatchObject({ Status: "STARTING" });
  }
  await rig.rds.settled();
  expect(rig.problems).toEqual([]);
  const keys = await rig.keys();
  const infos = keys.filter((key) => key.includes("export_tables_info"));
  expect(infos).toHaveLength(2);
  const tables: string[] = [];
  for (const key of infos) {
    const { perTableStatus } = JSON.parse((await rig.object(key)).toString("utf8"));
    for (const { target, status } of perTableStatus) tables.push(`${target} ${status}`);
  }
  expect(tables).toEqual([
    "ledger.public.accounts COMPLETE",
    "ledger.public.entries COMPLETE",
    "ledger.audit.changes COMPLETE",
    "orders.orders.customers COMPLETE",
    "orders.orders.products COMPLETE",
    "orders.orders.orders COMPLETE",
    "orders.orders.order_items COMPLETE",
    "orders.orders.payments COMPLETE",
  ]);
  expect(keys.filter((key) => key.includes("order_items/1/part-"))).toHaveLength(4);
});

test("the samples to be refused show why, and cannot be exported where RDS itself forbids it", async () => {
  const { DBSnapshots = [] } = await rig.client().send(new DescribeDBSnapshotsCommand({}));
  const refused = samples.filter(({ outcome }) => outcome === "refused");
  const listed = refused.map(({ arn }) => DBSnapshots.find(({ DBSnapshotArn }) => DBSnapshotArn === arn));
  expect(listed).toMatchObject([
    { Status: "failed" },
    { Status: "creating", PercentProgress: 40 },
    { Status: "available", Engine: "mariadb" },
    { Status: "available", Engine: "sqlserver-ex" },
  ]);
  const names: string[] = [];
  for (const sample of refused)
    names.push(
      await start(sample).then(
        () => "",
        (error: Error) => error.name,
      ),
    );
  expect(names).toEqual([
    "InvalidExportSourceStateFault",
    "InvalidExportSourceStateFault",
    "",
    "InvalidParameterValue",
  ]);
});

test("a restart finds the same samples, and the next day adds its own", async () => {
  await rig.restart();
  expect(await register()).toEqual(samples);
  rig.clock.advance(25 * 3_600_000);
  const next = await register();
  const both = [...samples, ...next].map(({ arn }) => arn);
  // What is too old stays the same one.
  expect(new Set(both).size).toBe(2 * samples.length - 1);
  const client = rig.client();
  const { DBClusterSnapshots } = await client.send(
    new DescribeDBClusterSnapshotsCommand({ DBClusterIdentifier: sampleDatabases.postgres }),
  );
  expect(DBClusterSnapshots).toHaveLength(2);
});
