// Checks a call's input against a schema at the border, and names the member that is wrong.
import type { z } from "zod";
import { ServiceError } from "./service.ts";

/** Throws the service's validation error (400) with one sentence per wrong or unknown member. */
export function parseInput<Schema extends z.ZodType>(
  schema: Schema,
  input: unknown,
  code = "ValidationException",
): z.infer<Schema> {
  const parsed = schema.safeParse(input);
  if (parsed.success) return parsed.data;
  const sentences = parsed.error.issues.map((issue) => `${issue.path.join(".") || "the input"}: ${issue.message}`);
  throw new ServiceError(400, code, sentences.join("; "));
}
