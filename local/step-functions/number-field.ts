// Numbers in a definition that may be literal or an expression, with their limits.
import { unexpectedType } from "./expressions.ts";
import type { Scope } from "./scope.ts";

/** A number a Map or Task field gives, literally or by an expression. */
export async function numberField(
  scope: Scope,
  value: number | string | undefined,
  field: string,
  limits: { readonly from: number; readonly to: number; readonly whole: boolean },
): Promise<number | undefined> {
  if (value === undefined) return undefined;
  const evaluated = await scope.evaluate(value, field);
  const fits =
    typeof evaluated === "number" &&
    evaluated >= limits.from &&
    evaluated <= limits.to &&
    (!limits.whole || Number.isInteger(evaluated));
  if (!fits)
    throw unexpectedType(
      field,
      `${limits.whole ? "integer" : "number"} from ${limits.from} to ${limits.to}`,
      evaluated,
    );
  return evaluated;
}
