// Every setting of a stage with where it comes from, for GET /api/config: the stage's file, or the default.
import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import type { StageSettings } from "./config.ts";

export interface SourcedSetting {
  /** `replication.schedule.expression` */
  readonly path: string;
  readonly value: unknown;
  /** `default`, or the stage's file. */
  readonly source: string;
}

/** Lists, and groups without members, are one value. */
export function listSettings(settings: StageSettings): SourcedSetting[] {
  const { stage, ...groups } = settings;
  const file = `stages/${stage}.json`;
  const place = resolve(import.meta.dirname, "..", file);
  const given: unknown = existsSync(place) ? JSON.parse(readFileSync(place, "utf8")) : {};
  return leavesOf(groups, []).map(({ path, value }) => ({
    path: path.join("."),
    value,
    source: isGiven(given, path) ? file : "default",
  }));
}

interface Leaf {
  readonly path: readonly string[];
  readonly value: unknown;
}

function leavesOf(value: unknown, path: readonly string[]): Leaf[] {
  if (!isGroup(value)) return [{ path, value }];
  return Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .flatMap(([name, member]) => leavesOf(member, [...path, name]));
}

function isGiven(given: unknown, path: readonly string[]): boolean {
  const [first, ...rest] = path;
  if (first === undefined) return given !== undefined;
  return isGroup(given) && isGiven(given[first], rest);
}

function isGroup(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && Object.keys(value).length > 0;
}
