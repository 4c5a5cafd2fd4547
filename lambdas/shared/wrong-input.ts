// What is wrong with a request, field by field, so that whoever sent it can mend it.
import { CausewayError } from "./errors.ts";

/** What is wrong with one thing that was sent (`query.limit`, `body.backupIds.3`) or found (`tables.jobs`), and the cure. */
export interface FieldProblem {
  readonly field: string;
  readonly problem: string;
}

/** `InputInvalid` that names the fields it is about. */
export function wrongInput(fields: readonly FieldProblem[]): CausewayError {
  const sentence = fields.map(({ field, problem }) => `${field}: ${problem}`).join("; ");
  return new CausewayError("InputInvalid", `The request is wrong: ${sentence}`, { details: { fields } });
}
