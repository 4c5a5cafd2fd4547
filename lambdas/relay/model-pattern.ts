// Model patterns: exact names, in which `*` stands for any text. Case counts, as it does for providers.

const compiled = new Map<string, RegExp>();

/** Patterns come from policies and accounts, which are few; a limit all the same. */
const mostCompiled = 5000;

/** Whether one of the patterns matches the model; an empty list matches nothing. */
export function matchesModel(patterns: readonly string[], model: string): boolean {
  return patterns.some((pattern) => (pattern.includes("*") ? expressionOf(pattern).test(model) : pattern === model));
}

function expressionOf(pattern: string): RegExp {
  const known = compiled.get(pattern);
  if (known !== undefined) return known;
  if (compiled.size >= mostCompiled) compiled.clear();
  const parts = pattern.split("*").map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  const expression = new RegExp(`^${parts.join(".*")}$`, "s");
  compiled.set(pattern, expression);
  return expression;
}
