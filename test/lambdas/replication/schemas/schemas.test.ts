// What every schema source must do, whichever server is behind it: the port's suite, run over its registry.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { schemaSources } from "../../../../lambdas/replication/schemas/index.ts";
import type { SchemaConnection } from "../../../../lambdas/replication/schemas/schema.ts";
import { type DatabaseServer, startMariadb, startPostgres } from "./database-servers.ts";

type Engine = keyof typeof schemaSources;

const servers = new Map<string, DatabaseServer>();
const familyOf = (engine: Engine) => (engine === "postgres" ? "postgres" : "mariadb");

beforeAll(async () => {
  const [mariadb, postgres] = await Promise.all([startMariadb(), startPostgres()]);
  servers.set("mariadb", mariadb).set("postgres", postgres);
  for (const server of [mariadb, postgres]) server.sql("CREATE DATABASE shop");
  mariadb.sql("CREATE TABLE orders (id INT PRIMARY KEY); CREATE VIEW newest AS SELECT id FROM orders", "shop");
  postgres.sql("CREATE TABLE orders (id integer PRIMARY KEY); CREATE VIEW newest AS SELECT id FROM orders", "shop");
});

afterAll(async () => {
  for (const server of servers.values()) await server[Symbol.asyncDispose]();
});

const engines = Object.keys(schemaSources) as Engine[];

describe.each(engines)("the schema source %s", (engine) => {
  const source = schemaSources[engine];
  const server = () => {
    const found = servers.get(familyOf(engine));
    if (!found) throw new Error(`there is no server for ${engine}`);
    return found;
  };

  async function read(connection: SchemaConnection, database = "shop"): Promise<string> {
    const reader = await source.open(connection);
    try {
      let text = "";
      for await (const piece of reader.read(database, () => undefined)) text += piece;
      return text;
    } finally {
      await reader.close();
    }
  }

  it("says in the first line what the text is", async () => {
    const reader = await source.open(server().connection);
    expect((await read(server().connection)).split("\n")[0]).toMatch(new RegExp(`^-- ${reader.kind}: `));
    await reader.close();
  });

  it("lists databases of people, and reads tables and views of one", async () => {
    const reader = await source.open(server().connection);
    expect(await reader.databases()).toContain("shop");
    await reader.close();
    const text = await read(server().connection);
    expect(text).toMatch(/CREATE TABLE .*orders/);
    expect(text).toMatch(/VIEW .*newest/);
  });

  it("gives the same text for the same schema", async () => {
    expect(await read(server().connection)).toBe(await read(server().connection));
  });

  it("speaks over TLS with a server whose authority it is told, and not with one that it cannot trust", async () => {
    const { connection, authority } = server();
    expect(await read({ ...connection, tls: { mode: "authority", certificate: authority } })).toContain("orders");
    await expect(read({ ...connection, tls: { mode: "rds" } })).rejects.toMatchObject({
      name: "SchemaNotKept",
      message: expect.stringMatching(/certificate/),
    });
  });

  it.each([
    ["a wrong password", { password: "wrong horse" }],
    ["no server at its port", { port: 1 }],
  ])("fails as SchemaNotKept at %s, and tells no secret", async (_what, other) => {
    const connection = { ...server().connection, ...other };
    const error = await read(connection).catch((caught: unknown) => caught as Error);
    expect(error).toMatchObject({ name: "SchemaNotKept", retryable: false });
    expect(String(error)).not.toContain(connection.password);
  });

  it("fails as SchemaNotKept when the database is not there, or the connection ends in the middle", async () => {
    await expect(read(server().connection, "absent")).rejects.toMatchObject({ name: "SchemaNotKept" });
    const reader = await source.open(server().connection);
    const pieces = reader.read("shop", () => undefined);
    const rest = async () => {
      for await (const _piece of pieces) await reader.close();
    };
    await expect(rest()).rejects.toMatchObject({ name: "SchemaNotKept" });
  });
});
