// JSONata as Step Functions evaluates it: `{% … %}` strings inside JSON, `$states`, variables, and AWS's own functions.
import { createHash, randomUUID } from "node:crypto";
import jsonata from "jsonata";
import { seededRandom } from "../rig/faults.ts";
import type { Json, JsonObject } from "./json.ts";
import { isJsonObject } from "./json.ts";
import { WorkflowError } from "./workflow-error.ts";

/** What an expression sees as `$states`; members that a field does not have are undefined. */
export interface StatesValue {
  readonly input: Json;
  readonly context: JsonObject;
  readonly result?: Json;
  readonly errorOutput?: Json;
}

export interface Bindings {
  readonly states: StatesValue;
  readonly variables: Readonly<JsonObject>;
}

export interface ExpressionSurroundings {
  /** Cloud time for `$now` and `$millis`. */
  now(): number;
  /** In [0, 1), for `$random()` without a seed. */
  random(): number;
}

/** An expression that runs longer (real time) fails; AWS has a limit of its own, which it does not publish. */
const longestEvaluationMilliseconds = 10_000;
/** The longest list an expression may build. */
const longestSequence = 1_000_000;
/** Compiled expressions kept; definitions of this project hold a few hundred. */
const mostCompiledKept = 5_000;

const compiled = new Map<string, jsonata.Expression>();

/** The text inside `{% … %}`, or undefined for a plain string. No blank may stand outside the marks. */
export function expressionIn(text: string): string | undefined {
  return text.startsWith("{%") && text.endsWith("%}") && text.length >= 4 ? text.slice(2, -2).trim() : undefined;
}

/** Throws the JSONata parser's error. */
export function compileExpression(source: string): jsonata.Expression {
  const known = compiled.get(source);
  if (known) return known;
  const expression = jsonata(source, { timeout: longestEvaluationMilliseconds, sequence: longestSequence });
  if (compiled.size >= mostCompiledKept) compiled.clear();
  compiled.set(source, expression);
  return expression;
}

export class Evaluator {
  readonly #functions: Record<string, unknown>;

  constructor(surroundings: ExpressionSurroundings) {
    this.#functions = stepFunctionsFunctions(surroundings);
  }

  /**
   * A copy of `template` with every expression replaced by its value. `field` is named in errors.
   * Throws States.QueryEvaluationError when an expression fails or returns nothing.
   */
  async evaluate(template: Json, field: string, bindings: Bindings): Promise<Json> {
    if (typeof template === "string") {
      const source = expressionIn(template);
      return source === undefined ? template : this.#value(source, field, bindings);
    }
    if (Array.isArray(template)) {
      const items: Json[] = [];
      for (const [index, item] of template.entries()) {
        items.push(await this.evaluate(item, `${field}[${index}]`, bindings));
      }
      return items;
    }
    if (!isJsonObject(template)) return template;
    const members: JsonObject = {};
    for (const [name, member] of Object.entries(template)) {
      members[name] = await this.evaluate(member, `${field}/${name}`, bindings);
    }
    return members;
  }

  async #value(source: string, field: string, bindings: Bindings): Promise<Json> {
    const described = `The JSONata expression '${source}' specified for the field '${field}'`;
    let value: unknown;
    try {
      value = await compileExpression(source).evaluate(undefined, {
        ...bindings.variables,
        ...this.#functions,
        states: bindings.states,
      });
    } catch (error) {
      throw evaluationError(`${described} threw an error during evaluation. ${messageOf(error)}`, field);
    }
    if (value === undefined) throw evaluationError(`${described} returned nothing (undefined).`, field);
    if (typeof value === "function") throw evaluationError(`${described} returned an unsupported result type.`, field);
    try {
      // Also drops what JSONata hangs on its arrays, and prototypes that are none.
      return JSON.parse(JSON.stringify(value)) as Json;
    } catch {
      throw evaluationError(`${described} returned an unsupported result type.`, field);
    }
  }
}

export function evaluationError(cause: string, field: string): WorkflowError {
  return new WorkflowError("States.QueryEvaluationError", cause, field);
}

/** The error for an expression whose value has the wrong type; worded as AWS words it. */
export function unexpectedType(field: string, expected: string, value: Json): WorkflowError {
  const actual = value === null ? "null" : Array.isArray(value) ? "array" : typeof value;
  return evaluationError(
    `The JSONata expression specified for the field '${field}' returned an unexpected result type. ` +
      `Expected '${expected}', but was '${actual}' for value: ${JSON.stringify(value).slice(0, 200)}`,
    field,
  );
}

function messageOf(error: unknown): string {
  if (typeof error === "object" && error !== null && "message" in error) {
    const code = "code" in error ? `${String(error.code)}: ` : "";
    return `JSONata ${code}${String(error.message)}`;
  }
  return String(error);
}

const hashAlgorithms = new Map([
  ["MD5", "md5"],
  ["SHA-1", "sha1"],
  ["SHA-256", "sha256"],
  ["SHA-384", "sha384"],
  ["SHA-512", "sha512"],
]);

/** A function of AWS's is undefined for an undefined argument, as JSONata's own are. */
function stepFunctionsFunctions(surroundings: ExpressionSurroundings): Record<string, unknown> {
  // JSONata's own $now reads the machine's clock; this one formats the cloud's.
  const formatMillis = jsonata("$fromMillis($at, $picture, $timezone)");
  return {
    partition: (list: unknown, size: unknown) => (list === undefined ? undefined : partition(list, size)),
    range: (first: unknown, last: unknown, step: unknown) => range(first, last, step),
    hash: (text: unknown, algorithm: unknown) => (text === undefined ? undefined : hash(text, algorithm)),
    random: (seed: unknown) => (typeof seed === "number" ? seededRandom(Math.trunc(seed))() : surroundings.random()),
    uuid: () => randomUUID(),
    parse: (text: unknown) => {
      if (text === undefined) return undefined;
      if (typeof text !== "string") throw new TypeError("$parse takes a string");
      return JSON.parse(text) as Json;
    },
    eval: () => {
      throw new TypeError("$eval is not supported by Step Functions; use $parse");
    },
    millis: () => Math.floor(surroundings.now()),
    now: (picture: unknown, timezone: unknown) =>
      formatMillis.evaluate(undefined, { at: Math.floor(surroundings.now()), picture, timezone }),
  };
}

function partition(list: unknown, size: unknown): unknown[] {
  const items = Array.isArray(list) ? list : [list];
  if (typeof size !== "number" || !(Math.trunc(size) > 0)) throw new TypeError("$partition takes a positive size");
  const chunkLength = Math.trunc(size);
  const chunks: unknown[] = [];
  for (let start = 0; start < items.length; start += chunkLength) chunks.push(items.slice(start, start + chunkLength));
  return chunks;
}

function range(first: unknown, last: unknown, step: unknown): number[] | undefined {
  if (first === undefined || last === undefined) return undefined;
  const increment = step === undefined ? 1 : step;
  if (typeof first !== "number" || typeof last !== "number" || typeof increment !== "number" || increment === 0) {
    throw new TypeError("$range takes a first number, a last number and a step other than 0");
  }
  const length = Math.max(0, Math.floor((last - first) / increment) + 1);
  if (length > longestSequence) throw new RangeError(`$range would make more than ${longestSequence} numbers`);
  return Array.from({ length }, (_, index) => first + index * increment);
}

function hash(text: unknown, algorithm: unknown): string {
  const known = hashAlgorithms.get(String(algorithm));
  if (typeof text !== "string" || known === undefined) {
    throw new TypeError(`$hash takes a string and one of ${[...hashAlgorithms.keys()].join(", ")}`);
  }
  return createHash(known).update(text).digest("hex");
}
