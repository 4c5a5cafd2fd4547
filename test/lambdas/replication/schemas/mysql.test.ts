// A captured MySQL schema, loaded by MariaDB's own client into an empty server, makes the same objects again.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { mysqlSchemas } from "../../../../lambdas/replication/schemas/mysql.ts";
import { type DatabaseServer, startMariadb } from "./database-servers.ts";

const shop = `
CREATE DATABASE shop CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;
CREATE DATABASE \`od\`\`d; name\` CHARACTER SET latin1;
USE shop;
SET FOREIGN_KEY_CHECKS = 0;
CREATE SEQUENCE numbers START WITH 100 INCREMENT BY 5;
CREATE TABLE orders (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  customer INT NOT NULL, placed DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6),
  total DECIMAL(12,2) NOT NULL DEFAULT 0.00 COMMENT 'it''s \\\\ 总额; --', note TEXT CHARACTER SET latin1,
  twice DECIMAL(13,2) AS (total * 2) STORED, number BIGINT DEFAULT NEXTVAL(numbers), since DATE DEFAULT '0000-00-00',
  KEY by_customer (customer, placed DESC), FULLTEXT KEY words (note), CONSTRAINT positive CHECK (total >= 0),
  CONSTRAINT of_customer FOREIGN KEY (customer) REFERENCES zz_customers (id) ON DELETE CASCADE
) ENGINE=InnoDB COMMENT='orders; of \`customers\`';
CREATE TABLE zz_customers (id INT NOT NULL PRIMARY KEY, name VARCHAR(100) NOT NULL UNIQUE) ENGINE=InnoDB;
CREATE TABLE parts (id INT NOT NULL, made DATE NOT NULL, PRIMARY KEY (id, made)) PARTITION BY RANGE (YEAR(made))
  (PARTITION old VALUES LESS THAN (2020), PARTITION rest VALUES LESS THAN MAXVALUE);
CREATE TABLE watched (id INT PRIMARY KEY) WITH SYSTEM VERSIONING;
INSERT INTO zz_customers VALUES (1, 'one'); INSERT INTO orders (customer) VALUES (1), (1);
DELIMITER $$
CREATE FUNCTION discount(total DECIMAL(12,2)) RETURNS DECIMAL(12,2) DETERMINISTIC
BEGIN
  -- a comment; with ;; in it
  IF total > 100 THEN RETURN total * 0.9; END IF;
  RETURN total;
END$$
SET sql_mode = 'ANSI_QUOTES,PIPES_AS_CONCAT'$$
CREATE DEFINER = 'nobody'@'elsewhere' PROCEDURE "say; it"(IN "who" VARCHAR(20), OUT said TEXT) SQL SECURITY INVOKER COMMENT 'says'
BEGIN SET said = 'hello, ' || "who" || '你好'; END -- the end
$$
SET sql_mode = DEFAULT$$
CREATE TRIGGER second BEFORE INSERT ON orders FOR EACH ROW SET NEW.note = CONCAT(NEW.note, '2')$$
CREATE TRIGGER first BEFORE INSERT ON orders FOR EACH ROW PRECEDES second BEGIN SET NEW.note = COALESCE(NEW.note, ''); END$$
CREATE TRIGGER third BEFORE INSERT ON orders FOR EACH ROW FOLLOWS second SET NEW.note = CONCAT(NEW.note, '3')$$
CREATE EVENT tidy ON SCHEDULE EVERY 1 DAY STARTS '2026-01-01 03:00:00' ON COMPLETION PRESERVE DISABLE DO BEGIN DELETE FROM parts; END$$
DELIMITER ;
CREATE VIEW a_of_b AS SELECT id, cheap FROM b_view WHERE cheap > 1;
`;
const views = `USE shop;
CREATE VIEW b_view AS SELECT o.id, discount(o.total) AS cheap, z.name AS \`the name\` FROM orders o JOIN zz_customers z ON z.id = o.customer;
`;

/** What information_schema knows of the database's objects; what differs between two servers by itself is left out. */
const facts = (database: string) => `
SELECT TABLE_NAME, TABLE_TYPE, ENGINE, TABLE_COLLATION, TABLE_COMMENT, CREATE_OPTIONS, AUTO_INCREMENT FROM information_schema.TABLES WHERE TABLE_SCHEMA = '${database}' ORDER BY 1;
SELECT TABLE_NAME, COLUMN_NAME, ORDINAL_POSITION, COLUMN_DEFAULT, IS_NULLABLE, COLUMN_TYPE, COLLATION_NAME, COLUMN_KEY, EXTRA, COLUMN_COMMENT, GENERATION_EXPRESSION FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = '${database}' ORDER BY 1, 3;
SELECT TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX, COLUMN_NAME, COLLATION, NON_UNIQUE, INDEX_TYPE FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = '${database}' ORDER BY 1, 2, 3;
SELECT CONSTRAINT_NAME, TABLE_NAME, CONSTRAINT_TYPE FROM information_schema.TABLE_CONSTRAINTS WHERE TABLE_SCHEMA = '${database}' ORDER BY 1, 2;
SELECT CONSTRAINT_NAME, REFERENCED_TABLE_NAME, UPDATE_RULE, DELETE_RULE FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = '${database}' ORDER BY 1;
SELECT CONSTRAINT_NAME, CHECK_CLAUSE FROM information_schema.CHECK_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = '${database}' ORDER BY 1;
SELECT TABLE_NAME, VIEW_DEFINITION, CHECK_OPTION, DEFINER, SECURITY_TYPE, CHARACTER_SET_CLIENT, COLLATION_CONNECTION, ALGORITHM FROM information_schema.VIEWS WHERE TABLE_SCHEMA = '${database}' ORDER BY 1;
SELECT ROUTINE_NAME, ROUTINE_TYPE, DTD_IDENTIFIER, ROUTINE_DEFINITION, IS_DETERMINISTIC, SECURITY_TYPE, SQL_MODE, ROUTINE_COMMENT, DEFINER, CHARACTER_SET_CLIENT, COLLATION_CONNECTION, DATABASE_COLLATION FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = '${database}' ORDER BY 1;
SELECT SPECIFIC_NAME, ORDINAL_POSITION, PARAMETER_MODE, PARAMETER_NAME, DTD_IDENTIFIER FROM information_schema.PARAMETERS WHERE SPECIFIC_SCHEMA = '${database}' ORDER BY 1, 2;
SELECT TRIGGER_NAME, EVENT_MANIPULATION, EVENT_OBJECT_TABLE, ACTION_ORDER, ACTION_STATEMENT, ACTION_TIMING, SQL_MODE, DEFINER FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = '${database}' ORDER BY 3, 4;
SELECT EVENT_NAME, DEFINER, TIME_ZONE, EVENT_DEFINITION, EVENT_TYPE, INTERVAL_VALUE, INTERVAL_FIELD, SQL_MODE, STARTS, STATUS, ON_COMPLETION FROM information_schema.EVENTS WHERE EVENT_SCHEMA = '${database}';
SELECT TABLE_NAME, PARTITION_NAME, PARTITION_METHOD, PARTITION_EXPRESSION, PARTITION_DESCRIPTION FROM information_schema.PARTITIONS WHERE TABLE_SCHEMA = '${database}' ORDER BY 1, 2;
SELECT DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = '${database}';
`;

let server: DatabaseServer;

beforeAll(async () => {
  server = await startMariadb();
  // The view that looks at another one is made while that one is there, and comes before it by its name.
  const [before = "", after = ""] = shop.split("CREATE VIEW a_of_b");
  server.sql(`${before}${views}CREATE VIEW a_of_b${after}`);
});

afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
});

async function capture(database: string, connection = server.connection) {
  const reader = await mysqlSchemas.open(connection);
  try {
    const omitted: string[] = [];
    let text = "";
    for await (const piece of reader.read(database, (sentence) => omitted.push(sentence))) text += piece;
    return { text, omitted };
  } finally {
    await reader.close();
  }
}

describe("a captured schema of MariaDB", () => {
  it("loads into an empty database with everything in it as it was", async () => {
    const before = server.sql(facts("shop"));
    const { text, omitted } = await capture("shop");
    expect(omitted).toEqual([]);
    expect(before).toMatch(/second|discount|tidy|a_of_b/);

    server.sql("DROP DATABASE shop");
    server.sql(text);

    expect(server.sql(facts("shop"))).toBe(before);
    // And it is captured as the same bytes again.
    expect((await capture("shop")).text).toBe(text);
  });

  it("makes programs that do what the first ones did", () => {
    server.sql(
      "INSERT INTO zz_customers VALUES (1, 'one'); INSERT INTO orders (customer, total, note) VALUES (1, 200, '1')",
      "shop",
    );
    expect(server.sql("SELECT note, discount(total) FROM orders", "shop")).toBe("123\t180.00\n");
    expect(server.sql("CALL `say; it`('you', @said); SELECT @said", "shop")).toBe("hello, you你好\n");
  });

  it("lists the databases of people alone", async () => {
    const reader = await mysqlSchemas.open(server.connection);
    expect(await reader.databases()).toEqual(["od`d; name", "shop"]);
    await reader.close();
    expect((await capture("od`d; name")).text).toContain("USE `od``d; name`;");
  });

  it("goes on without what cannot be shown, and says what that is", async () => {
    server.sql(
      "CREATE DATABASE torn; CREATE TABLE torn.gone (id INT); CREATE VIEW torn.looks AS SELECT id FROM torn.gone; DROP TABLE torn.gone; CREATE TABLE torn.there (id INT)",
    );
    const { text, omitted } = await capture("torn");
    expect(omitted).toEqual([expect.stringContaining("view looks")]);
    expect(text).toContain("CREATE TABLE `there`");
    expect(text).not.toContain("looks");
  });

  it("says what a user without rights does not see of a routine", async () => {
    server.sql(
      "CREATE USER reader@'%' IDENTIFIED BY 'r'; GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON shop.* TO reader@'%'; GRANT EXECUTE ON shop.* TO reader@'%'",
    );
    const { omitted } = await capture("shop", { ...server.connection, username: "reader", password: "r" });
    expect(omitted).toEqual([
      "function discount: the user may not see its body",
      "procedure say; it: the user may not see its body",
    ]);
  });

  it("changes nothing: its connection only reads", async () => {
    const reader = await mysqlSchemas.open(server.connection);
    for await (const _piece of reader.read("shop", () => undefined)) {
      // Read to its end.
    }
    await reader.close();
    expect(server.sql("SELECT COUNT(*) FROM orders", "shop")).toBe("1\n");
  });
});
