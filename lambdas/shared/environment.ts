// The one place that reads process.env: an entry names its schema, and gets its settings or a sentence on what is missing.
import type * as z from "zod";
import { CausewayError } from "./errors.ts";

/**
 * Parses the environment of a Lambda entry. Throws `ConfigurationInvalid` naming every variable that is missing or wrong;
 * values are never repeated in the message, for one may be a secret set in the wrong place.
 */
export function readEnvironment<Schema extends z.ZodType>(
  schema: Schema,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): z.output<Schema> {
  const parsed = schema.safeParse(environment);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`);
  throw new CausewayError("ConfigurationInvalid", `The function's environment is wrong: ${problems.join("; ")}`);
}
