// Registry of schema sources: the key is the engine's name in configuration.
import { mysqlSchemas } from "./mysql.ts";
import { postgresSchemas } from "./postgres.ts";

export const schemaSources = { mysql: mysqlSchemas, mariadb: mysqlSchemas, postgres: postgresSchemas } as const;
