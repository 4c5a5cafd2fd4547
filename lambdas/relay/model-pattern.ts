// Model patterns: exact names, in which `*` stands for any text. Case counts, as it does for providers.

/** Whether one of the patterns matches the model; an empty list matches nothing. */
export function matchesModel(patterns: readonly string[], model: string): boolean {
  return patterns.some((pattern) => (pattern.includes("*") ? matches(pattern, model) : pattern === model));
}

/** The pieces between the stars, each at its first place: whatever the pattern, the name is walked through once. */
function matches(pattern: string, model: string): boolean {
  const [head = "", ...pieces] = pattern.split("*");
  const tail = pieces.pop() ?? "";
  if (!model.startsWith(head)) return false;
  let at = head.length;
  for (const piece of pieces) {
    const found = model.indexOf(piece, at);
    if (found === -1) return false;
    at = found + piece.length;
  }
  return model.length - tail.length >= at && model.endsWith(tail);
}
