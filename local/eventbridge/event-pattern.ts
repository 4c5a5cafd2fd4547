// Event patterns as EventBridge matches them. Source: "Comparison operators for use in event patterns" (EventBridge guide).
import { BlockList, isIP } from "node:net";
import { ServiceError } from "../gateway/service.ts";

/** True if the event (as delivered, with `detail-type`, `source`, `detail` …) matches. */
export type EventMatcher = (event: unknown) => boolean;

type LeafTest = (value: unknown) => boolean;
type JsonObject = Readonly<Record<string, unknown>>;

/** Throws ServiceError InvalidEventPatternException, which names the place and the operator that is not known. */
export function compileEventPattern(pattern: unknown): EventMatcher {
  if (!isObject(pattern) || Object.keys(pattern).length === 0) throw invalid("the pattern", "must be a JSON object");
  return compileObject(pattern, "");
}

function compileObject(pattern: JsonObject, path: string): EventMatcher {
  const tests = Object.entries(pattern).map(([member, inner]): EventMatcher => {
    const place = path === "" ? member : `${path}.${member}`;
    if (member === "$or") return compileOr(inner, place);
    if (Array.isArray(inner)) {
      const matches = compileLeaf(inner, place);
      return (node) => matches(leavesOf(isObject(node) ? node[member] : undefined));
    }
    if (!isObject(inner) || Object.keys(inner).length === 0) throw invalid(place, "must be an object or an array");
    const matches = compileObject(inner, place);
    return (node) => objectsOf(isObject(node) ? node[member] : undefined).some(matches);
  });
  return (node) => tests.every((matches) => matches(node));
}

function compileOr(alternatives: unknown, place: string): EventMatcher {
  if (!Array.isArray(alternatives) || alternatives.length < 2 || !alternatives.every(isObject)) {
    throw invalid(place, "must be an array of at least two patterns");
  }
  const matchers = alternatives.map((alternative: JsonObject) => compileObject(alternative, place));
  return (node) => matchers.some((matches) => matches(node));
}

/** A field that is an array in the event matches if one of its elements does; a missing one can still be `exists: false`. */
function compileLeaf(alternatives: readonly unknown[], place: string): (values: readonly unknown[]) => boolean {
  if (alternatives.length === 0) throw invalid(place, "must not be an empty array");
  const matchers = alternatives.map((alternative): ((values: readonly unknown[]) => boolean) => {
    if (!isObject(alternative)) {
      if (Array.isArray(alternative)) throw invalid(place, "must not hold an array in an array");
      return (values) => values.includes(alternative);
    }
    const [operator, operand] = onlyMember(alternative, place);
    if (operator === "exists") {
      if (typeof operand !== "boolean") throw invalid(place, "exists takes true or false");
      return (values) => values.length > 0 === operand;
    }
    const test = compileOperator(operator, operand, place);
    return (values) => values.some(test);
  });
  return (values) => matchers.some((matches) => matches(values));
}

function compileOperator(operator: string, operand: unknown, place: string): LeafTest {
  switch (operator) {
    case "prefix":
    case "suffix":
      return compileAffix(operator, operand, place);
    case "equals-ignore-case": {
      const wanted = text(operand, operator, place).toLowerCase();
      return (value) => typeof value === "string" && value.toLowerCase() === wanted;
    }
    case "wildcard": {
      const expression = wildcardExpression(text(operand, operator, place), place);
      return (value) => typeof value === "string" && expression.test(value);
    }
    case "numeric":
      return compileNumeric(operand, place);
    case "cidr":
      return compileCidr(text(operand, operator, place), place);
    case "anything-but":
      return compileAnythingBut(operand, place);
    default:
      throw invalid(place, `has the unknown operator "${operator}"`);
  }
}

function compileAffix(operator: "prefix" | "suffix", operand: unknown, place: string): LeafTest {
  const ignoresCase = isObject(operand);
  const inner = ignoresCase ? operand["equals-ignore-case"] : operand;
  if (ignoresCase) onlyMember(operand, place);
  const wanted = fold(text(inner, operator, place));
  return (value) => {
    if (typeof value !== "string") return false;
    return operator === "prefix" ? fold(value).startsWith(wanted) : fold(value).endsWith(wanted);
  };

  function fold(value: string): string {
    return ignoresCase ? value.toLowerCase() : value;
  }
}

function compileAnythingBut(operand: unknown, place: string): LeafTest {
  if (!isObject(operand)) {
    const refused: readonly unknown[] = Array.isArray(operand) ? operand : [operand];
    const areScalars = refused.every((value) => typeof value === "string" || typeof value === "number");
    if (refused.length === 0 || !areScalars) throw invalid(place, "anything-but takes strings or numbers");
    const listed = new Set<unknown>(refused);
    return (value) => !listed.has(value);
  }
  const [operator, inner] = onlyMember(operand, place);
  if (!["prefix", "suffix", "wildcard", "equals-ignore-case"].includes(operator)) {
    throw invalid(place, `has the unknown operator "anything-but ${operator}"`);
  }
  const tests = (Array.isArray(inner) ? inner : [inner]).map((each) => compileOperator(operator, each, place));
  return (value) => !tests.some((test) => test(value));
}

function compileNumeric(operand: unknown, place: string): LeafTest {
  if (!Array.isArray(operand) || operand.length === 0 || operand.length > 4 || operand.length % 2 !== 0) {
    throw invalid(place, "numeric takes one or two comparisons");
  }
  const tests: ((value: number) => boolean)[] = [];
  for (let index = 0; index < operand.length; index += 2) {
    const [comparison, bound] = [operand[index], operand[index + 1]];
    if (typeof bound !== "number") throw invalid(place, "numeric compares with numbers");
    if (comparison === "=") tests.push((value) => value === bound);
    else if (comparison === "<") tests.push((value) => value < bound);
    else if (comparison === "<=") tests.push((value) => value <= bound);
    else if (comparison === ">") tests.push((value) => value > bound);
    else if (comparison === ">=") tests.push((value) => value >= bound);
    else throw invalid(place, `has the unknown comparison "${String(comparison)}"`);
  }
  return (value) => typeof value === "number" && tests.every((test) => test(value));
}

function compileCidr(block: string, place: string): LeafTest {
  const [network = "", bits = ""] = block.split("/");
  const version = isIP(network);
  const prefixBits = Number(bits);
  if (version === 0 || !/^\d+$/.test(bits) || prefixBits > (version === 4 ? 32 : 128)) {
    throw invalid(place, `"${block}" is not a CIDR block`);
  }
  const family = version === 4 ? "ipv4" : "ipv6";
  const blocks = new BlockList();
  blocks.addSubnet(network, prefixBits, family);
  return (value) => typeof value === "string" && isIP(value) === version && blocks.check(value, family);
}

/** `*` stands for any characters; `\*` and `\\` for themselves. */
function wildcardExpression(wildcard: string, place: string): RegExp {
  if (wildcard.includes("**")) throw invalid(place, "has two wildcard characters in a row");
  const parts = wildcard.match(/\\[*\\]|\*|[^*\\]+|\\/g) ?? [];
  const source = parts.map((part) => (part === "*" ? ".*" : literal(part.replace(/^\\(?=[*\\])/, ""))));
  return new RegExp(`^${source.join("")}$`, "s");
}

function literal(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, "\\$&");
}

/** The scalars a field holds. An object is no leaf: to `exists` it is as good as absent. */
function leavesOf(value: unknown): readonly unknown[] {
  if (value === undefined || isObject(value)) return [];
  return Array.isArray(value) ? value.flatMap(leavesOf) : [value];
}

/** What a nested pattern is held against; a missing object counts as an empty one, so that `exists: false` can match. */
function objectsOf(value: unknown): readonly unknown[] {
  const objects = Array.isArray(value) ? value.filter(isObject) : [value].filter(isObject);
  return objects.length > 0 ? objects : [{}];
}

function onlyMember(operator: JsonObject, place: string): [string, unknown] {
  const [first, ...others] = Object.entries(operator);
  if (!first || others.length > 0) throw invalid(place, "must hold one operator per object");
  return first;
}

function text(operand: unknown, operator: string, place: string): string {
  if (typeof operand === "string" && operand !== "") return operand;
  throw invalid(place, `${operator} takes a string`);
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function invalid(place: string, sentence: string): ServiceError {
  return new ServiceError(
    400,
    "InvalidEventPatternException",
    `Event pattern is not valid. Reason: ${place} ${sentence}.`,
  );
}
