// Structured logs: one JSON line per fact. What is logged is chosen field by field; links and secrets are not among them.
import { Logger } from "@aws-lambda-powertools/logger";
import { lazy } from "./lazy.ts";
import { redact } from "./redact.ts";

export interface Log {
  info(message: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
  error(message: string, fields?: Readonly<Record<string, unknown>>): void;
}

const logger = lazy(() => new Logger());

export const log: Log = {
  info: (message, fields = {}) => logger().info(redact(message), withoutSecrets(fields)),
  warn: (message, fields = {}) => logger().warn(redact(message), withoutSecrets(fields)),
  error: (message, fields = {}) => logger().error(redact(message), withoutSecrets(fields)),
};

/** Fields nest little; what lies deeper than this is left out. */
const deepestField = 6;

function withoutSecrets(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, withoutSecret(value, deepestField)]));
}

function withoutSecret(value: unknown, levelsLeft: number): unknown {
  if (typeof value === "string") return redact(value);
  if (typeof value !== "object" || value === null) return value;
  if (levelsLeft === 0) return "(left out)";
  if (Array.isArray(value)) return value.map((member) => withoutSecret(member, levelsLeft - 1));
  // An error as its name and message: its stack and causes hold whatever some library put there.
  if (Object.getPrototypeOf(value) !== Object.prototype) return redact(String(value));
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [name, withoutSecret(member, levelsLeft - 1)]),
  );
}
