// Schemas kept beside exports: the whole way from a stage's settings to the receipt, with a real MariaDB to read from.
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { CreateSecretCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildApp } from "../../bin/causeway.ts";
import { parseStageSettings } from "../../lib/config.ts";
import { type DatabaseServer, startMariadb } from "../lambdas/replication/schemas/database-servers.ts";
import { ExportsRig } from "./exports-rig.ts";

let folder: string;
let server: DatabaseServer;
let rig: ExportsRig;

/** The stage local, with connections to two databases. */
function settingsText(): string {
  const settings = JSON.parse(readFileSync(path.resolve(import.meta.dirname, "../../stages/local.json"), "utf8"));
  const { host, port } = server.connection;
  const connection = (databaseId: string) => ({ databaseId, engine: "mariadb", host, port });
  settings.replication.exports.schemas = {
    subnetIds: ["subnet-0123456789abcdef0"],
    securityGroupIds: ["sg-0123456789abcdef0"],
    connections: [connection("orders"), connection("keyless")],
  };
  return JSON.stringify(settings);
}

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), "causeway-schemas-"));
  server = await startMariadb();
  server.sql("CREATE DATABASE shop");
  server.sql(
    "CREATE TABLE orders (id INT PRIMARY KEY); CREATE VIEW newest AS SELECT MAX(id) AS id FROM orders",
    "shop",
  );
  const assembly = path.join(folder, "cdk.out");
  buildApp(parseStageSettings("local", settingsText()), assembly).synth();
  rig = await ExportsRig.start({ assembly });
  const { username, password } = server.connection;
  await new SecretsManagerClient(rig.cloud.clientConfig()).send(
    new CreateSecretCommand({
      Name: "/local/replication/database/orders",
      SecretString: JSON.stringify({ username, password, certificate: server.authority }),
    }),
  );
});

afterAll(async () => {
  await rig?.close();
  await server?.[Symbol.asyncDispose]();
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
});

describe("the schema of a database", () => {
  it("is kept beside its export, over TLS, and the receipt states its bytes", async () => {
    const { arn } = rig.addSnapshot({ databaseId: "orders" });
    const run = await rig.run({ snapshotArns: [arn] });
    expect([run.status, run.job.state]).toEqual(["SUCCEEDED", "succeeded"]);
    const { schema, taskId } = await rig.expectExported(arn);
    if (schema?.kept !== true) throw new Error(`the schema was not kept: ${JSON.stringify(schema)}`);
    expect(schema).toMatchObject({ kind: "schema", files: [{ database: "shop", omitted: [] }] });
    const key = `mysql/rds-exports/orders/schema/${taskId}/shop.sql`;
    expect(schema.files[0]?.key).toBe(key);
    const text = await rig.object(key);
    expect(createHash("sha256").update(text).digest("hex")).toBe(schema.files[0]?.sha256);
    expect(text.length).toBe(schema.files[0]?.bytes);

    server.sql("DROP DATABASE shop");
    server.sql(text.toString());
    expect(server.sql("SHOW TABLES", "shop")).toBe("newest\norders\n");
  });

  it("that cannot be kept is a warning of an export that is complete all the same", async () => {
    const { arn } = rig.addSnapshot({ databaseId: "keyless" });
    const run = await rig.run({ snapshotArns: [arn] });
    expect([run.status, run.job.state]).toEqual(["SUCCEEDED", "succeeded-with-warnings"]);
    const { schema } = await rig.expectExported(arn);
    expect(schema).toMatchObject({ kept: false, error: "SecretMissing" });
    expect(run.job.units[0]).toMatchObject({
      outcome: "exported",
      reason: expect.stringMatching(/^The schema was not kept: SecretMissing: There is no such secret\. /),
    });
    expect(await rig.item(arn)).toMatchObject({ state: "complete", result: { schema: "not-kept" } });
  });

  it("is not asked for where no connection is given", async () => {
    const { arn } = rig.addSnapshot({ databaseId: "unconnected" });
    const run = await rig.run({ snapshotArns: [arn] });
    expect(run.job.state).toBe("succeeded");
    expect((await rig.expectExported(arn)).schema).toBeNull();
  });
});
