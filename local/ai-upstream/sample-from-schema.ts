// A value that fits a JSON schema, for tools and structured answers that nobody scripted.
import { asList, asNumber, asObject, asText } from "./read-json.ts";

/** Deeper than this is answered with null; a schema may refer to itself. */
const mostDepth = 8;

/** The first of what is allowed: enum's first, the lowest number, required fields only. Knows no `$ref` and no pattern. */
export function sampleFromSchema(schema: unknown, depth = 0): unknown {
  const given = asObject(schema);
  if (!given || depth > mostDepth) return null;
  if (given.const !== undefined) return given.const;
  if (given.default !== undefined) return given.default;
  if (Array.isArray(given.enum)) return given.enum[0];
  const [choice] = [...asList(given.anyOf), ...asList(given.oneOf), ...asList(given.allOf)];
  if (choice !== undefined) return sampleFromSchema(choice, depth + 1);
  switch (typeOf(given.type, given.properties)) {
    case "object":
      return sampleObject(asObject(given.properties) ?? {}, asList(given.required), depth);
    case "array":
      return Array.from({ length: asNumber(given.minItems) ?? 0 }, () => sampleFromSchema(given.items, depth + 1));
    case "string":
      return "text".padEnd(asNumber(given.minLength) ?? 0, "t");
    case "integer":
    case "number":
      return asNumber(given.minimum) ?? 0;
    case "boolean":
      return false;
    default:
      return null;
  }
}

function sampleObject(properties: Readonly<Record<string, unknown>>, required: readonly unknown[], depth: number) {
  const names = Object.keys(properties).filter((name) => required.includes(name));
  return Object.fromEntries(names.map((name) => [name, sampleFromSchema(properties[name], depth + 1)]));
}

/** Gemini writes types in capitals; a list of types means any of them. */
function typeOf(type: unknown, properties: unknown): string {
  const name = asText(Array.isArray(type) ? type[0] : type);
  return name?.toLowerCase() ?? (properties === undefined ? "null" : "object");
}
