// The inventory of a PostgreSQL database: labelled as one, complete in what it lists, the same for the same catalogue.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { postgresSchemas } from "../../../../lambdas/replication/schemas/postgres.ts";
import { type DatabaseServer, startPostgres } from "./database-servers.ts";

const statements = `
CREATE SCHEMA sales;
CREATE TYPE sales.state AS ENUM ('new', 'it''s paid');
CREATE DOMAIN sales.positive AS numeric(12,2) NOT NULL DEFAULT 1 CONSTRAINT above CHECK (VALUE > 0);
CREATE TYPE sales.place AS (street text, number integer);
CREATE SEQUENCE sales.numbers AS integer START 100 INCREMENT 5 CYCLE;
CREATE TABLE sales.customers (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text COLLATE "C" NOT NULL UNIQUE, home sales.place);
CREATE TABLE sales.orders (
  id integer DEFAULT nextval('sales.numbers') PRIMARY KEY, customer bigint REFERENCES sales.customers ON DELETE CASCADE,
  total sales.positive, twice numeric GENERATED ALWAYS AS (total * 2) STORED, state sales.state DEFAULT 'new', "odd ""name""" timestamptz(3),
  CONSTRAINT sane CHECK (customer > 0), EXCLUDE USING btree (customer WITH =));
CREATE INDEX by_state ON sales.orders (state, abs(twice)) WHERE state <> 'new';
CREATE TABLE sales.parts (made date NOT NULL) PARTITION BY RANGE (made);
CREATE TABLE sales.parts_2026 PARTITION OF sales.parts FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE VIEW sales.paid AS SELECT id, total FROM sales.orders WHERE state = 'it''s paid';
CREATE MATERIALIZED VIEW sales.sums AS SELECT customer, sum(total) AS total FROM sales.orders GROUP BY customer;
CREATE FUNCTION sales.touch() RETURNS trigger LANGUAGE plpgsql AS $body$ BEGIN NEW.state := 'new'; RETURN NEW; END $body$;
CREATE PROCEDURE sales.nothing(a integer) LANGUAGE sql AS 'SELECT 1';
CREATE AGGREGATE sales.total(numeric) (SFUNC = numeric_add, STYPE = numeric);
CREATE TRIGGER touched BEFORE UPDATE ON sales.orders FOR EACH ROW EXECUTE FUNCTION sales.touch();
CREATE RULE kept AS ON DELETE TO sales.customers DO INSTEAD NOTHING;
ALTER TABLE sales.orders ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON sales.orders FOR SELECT USING (customer = 1);
CREATE TEMPORARY TABLE passing (id integer);
`;

let server: DatabaseServer;

beforeAll(async () => {
  server = await startPostgres();
  server.sql("CREATE DATABASE shop");
  server.sql(statements, "shop");
});

afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
});

async function inventory(database: string): Promise<string> {
  const reader = await postgresSchemas.open(server.connection);
  try {
    let text = "";
    for await (const piece of reader.read(database, () => undefined)) text += piece;
    return text;
  } finally {
    await reader.close();
  }
}

describe("the inventory of a PostgreSQL database", () => {
  it("says in its first line that it is one", async () => {
    const reader = await postgresSchemas.open(server.connection);
    expect(reader.kind).toBe("inventory");
    await reader.close();
    expect((await inventory("shop")).split("\n")[0]).toBe(
      "-- inventory: what PostgreSQL's catalogue says of the database shop.",
    );
  });

  it("has every object, with its definition", async () => {
    const text = await inventory("shop");
    for (const expected of [
      "CREATE SCHEMA sales AUTHORIZATION causeway;",
      "CREATE TYPE sales.state AS ENUM ('new', 'it''s paid');",
      "CREATE DOMAIN sales.positive AS numeric(12,2) NOT NULL DEFAULT 1 CONSTRAINT above CHECK ((VALUE > (0)::numeric));",
      "CREATE TYPE sales.place AS (street text, number integer);",
      "CREATE SEQUENCE sales.numbers AS integer START 100 INCREMENT 5",
      'CREATE TABLE sales.customers (\n  id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,\n  name text COLLATE "C" NOT NULL,\n  home sales.place);',
      "id integer NOT NULL DEFAULT nextval('sales.numbers'::regclass)",
      "twice numeric GENERATED ALWAYS AS (((total)::numeric * (2)::numeric)) STORED",
      '"odd ""name""" timestamp(3) with time zone',
      "CREATE TABLE sales.parts (\n  made date NOT NULL) PARTITION BY RANGE (made);",
      "CREATE TABLE sales.parts_2026 PARTITION OF sales.parts FOR VALUES FROM ('2026-01-01') TO ('2027-01-01') (",
      "ALTER TABLE sales.orders ADD CONSTRAINT orders_customer_fkey FOREIGN KEY (customer) REFERENCES sales.customers(id) ON DELETE CASCADE;",
      "ADD CONSTRAINT sane CHECK ((customer > 0));",
      "CREATE INDEX by_state ON sales.orders USING btree (state, abs(twice)) WHERE (state <> 'new'::sales.state);",
      "CREATE VIEW sales.paid AS",
      "CREATE MATERIALIZED VIEW sales.sums AS",
      "CREATE OR REPLACE FUNCTION sales.touch()",
      "CREATE OR REPLACE PROCEDURE sales.nothing(IN a integer)",
      "-- aggregate sales.total(numeric)",
      "CREATE TRIGGER touched BEFORE UPDATE ON sales.orders FOR EACH ROW EXECUTE FUNCTION sales.touch();",
      "CREATE RULE kept AS",
      "CREATE POLICY own ON sales.orders AS PERMISSIVE FOR SELECT TO public USING ((customer = 1));",
      "CREATE EXTENSION plpgsql SCHEMA pg_catalog",
    ]) {
      expect(text).toContain(expected);
    }
    // The primary key's index comes with its constraint; what is passing or the server's own is left out.
    expect(text).not.toContain("CREATE UNIQUE INDEX orders_pkey");
    expect(text).not.toMatch(/passing|pg_temp|pg_toast|CREATE (VIEW|TABLE) pg_/);
  });

  it("is the same text for the same catalogue, and another one after a change", async () => {
    const before = await inventory("shop");
    expect(await inventory("shop")).toBe(before);
    server.sql("ALTER TABLE sales.customers ADD COLUMN since date", "shop");
    expect(await inventory("shop")).not.toBe(before);
  });

  it("lists the databases of people, and reads each by a connection of its own", async () => {
    const reader = await postgresSchemas.open(server.connection);
    expect(await reader.databases()).toEqual(["postgres", "shop"]);
    await reader.close();
    expect(await inventory("postgres")).not.toContain("sales");
  });
});
