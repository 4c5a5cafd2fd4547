// Writes to a table with a stream do not take longer the more of them there were: the server's own search finds an index.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startDynamodbService } from "../../../local/dynamodb/dynamodb-service.ts";
import { indexStreams } from "../../../local/dynamodb/index-streams.ts";

/** Word for word what the server asks: it stands in its binary. */
const newest =
  "SELECT COALESCE(MAX(CAST(sequence_number AS INTEGER)), 0) + 1 FROM _stream_records WHERE table_name = ?1";
const page =
  "SELECT event_name FROM _stream_records WHERE table_name = ?1 AND shard_id = ?2 AND CAST(sequence_number AS INTEGER) > ?3 ORDER BY CAST(sequence_number AS INTEGER) ASC LIMIT ?4";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "index-streams-"));
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

test("the server's searches in its list of changes use the index, after a restart too", async () => {
  for (let boot = 0; boot < 2; boot += 1) {
    const options = { region: "us-east-1", accountId: "111122223333", stateDirectory: folder };
    const service = await startDynamodbService({ ...options, authorize: () => undefined });
    const database = new DatabaseSync(path.join(folder, "dynamodb.sqlite"), { readOnly: true });
    const planOf = (query: string, ...given: (string | number)[]) =>
      JSON.stringify(database.prepare(`EXPLAIN QUERY PLAN ${query}`).all(...given));
    expect(planOf(newest, "Notes")).toMatch(/SEARCH .*INDEX _stream_records_place \(table_name=\?\)/);
    const pagePlan = planOf(page, "Notes", "shard", 1, 100);
    expect(pagePlan).toMatch(/SEARCH .*INDEX _stream_records_place \(table_name=\? AND <expr>>\?\)/);
    expect(pagePlan).not.toMatch(/TEMP B-TREE/);
    database.close();
    await service.close?.();
  }
});

test("a server's file of another kind stays as it is", () => {
  const file = path.join(folder, "other.sqlite");
  const database = new DatabaseSync(file);
  database.exec("CREATE TABLE _stream_records (id INTEGER PRIMARY KEY)");
  indexStreams(file);
  expect(database.prepare("SELECT name FROM sqlite_master WHERE type = 'index'").all()).toEqual([]);
  database.close();
});
