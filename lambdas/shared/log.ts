// Structured logs: one JSON line per fact. What is logged is chosen field by field; links and secrets are not among them.
import { Logger } from "@aws-lambda-powertools/logger";
import { lazy } from "./lazy.ts";

export interface Log {
  info(message: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
  error(message: string, fields?: Readonly<Record<string, unknown>>): void;
}

const logger = lazy(() => new Logger());

export const log: Log = {
  info: (message, fields = {}) => logger().info(message, withoutSecrets(fields)),
  warn: (message, fields = {}) => logger().warn(message, withoutSecrets(fields)),
  error: (message, fields = {}) => logger().error(message, withoutSecrets(fields)),
};

/** A signed link in a text (an SDK's error message, say) is as good as a key until it expires. */
const signedQuery = /([?&](?:Signature|OSSAccessKeyId|X-Amz-[A-Za-z-]+|x-oss-[a-z-]+|security-token)=)[^&\s"']+/gi;

export function redact(text: string): string {
  return text.replace(signedQuery, "$1(hidden)");
}

function withoutSecrets(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, typeof value === "string" ? redact(value) : value]),
  );
}
