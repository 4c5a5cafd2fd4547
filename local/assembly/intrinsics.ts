// CloudFormation's intrinsic functions, evaluated as a deployment would.
// Source: "Intrinsic function reference" in the AWS CloudFormation User Guide.
import type { Json, JsonObject } from "./read-assembly.ts";

/** What a template's functions may refer to. Each throws an Error that names what is missing. */
export interface Scope {
  /** For error messages: the stack's name. */
  readonly where: string;
  /** A parameter, pseudo parameter or resource; undefined for AWS::NoValue. */
  ref(name: string): Json | undefined;
  attribute(logicalId: string, attribute: string): Json;
  importedValue(exportName: string): Json;
  condition(name: string): boolean;
  mapped(map: string, topKey: string, secondKey: string): Json;
}

/** Undefined means "as if it had not been written" (AWS::NoValue). */
export function resolveIntrinsics(value: Json, scope: Scope): Json | undefined {
  if (typeof value === "string") return refuseDynamicReference(value, scope);
  if (typeof value !== "object" || value === null) return value;
  if (isList(value)) {
    return value.map((item) => resolveIntrinsics(item, scope)).filter((item) => item !== undefined);
  }
  const [name, ...others] = Object.keys(value);
  if (name !== undefined && others.length === 0 && (name === "Ref" || name.startsWith("Fn::"))) {
    const apply = functions[name];
    if (!apply) throw new Error(`${scope.where}: the local cloud does not know the function ${name}.`);
    return apply(value[name] ?? null, scope);
  }
  const members: Record<string, Json> = {};
  for (const [member, inner] of Object.entries(value)) {
    const resolved = resolveIntrinsics(inner, scope);
    if (resolved !== undefined) members[member] = resolved;
  }
  return members;
}

/** A condition's expression: Fn::Equals, Fn::And, Fn::Or, Fn::Not, or the name of another one. */
export function evaluateCondition(expression: Json, scope: Scope): boolean {
  if (!isObject(expression)) throw new Error(`${scope.where}: a condition must be a function.`);
  const [name = "", operand = null] = Object.entries(expression)[0] ?? [];
  const operands = isList(operand) ? operand : [];
  switch (name) {
    case "Fn::Equals": {
      const [left, right] = operands.map((item) => resolveIntrinsics(item, scope));
      return JSON.stringify(left) === JSON.stringify(right);
    }
    case "Fn::And":
      return operands.every((item) => evaluateCondition(item, scope));
    case "Fn::Or":
      return operands.some((item) => evaluateCondition(item, scope));
    case "Fn::Not":
      return !evaluateCondition(operands[0] ?? null, scope);
    case "Condition":
      return scope.condition(String(operand));
    default:
      throw new Error(`${scope.where}: the local cloud does not know the condition function ${name}.`);
  }
}

const functions: Readonly<Record<string, (operand: Json, scope: Scope) => Json | undefined>> = {
  Ref: (operand, scope) => scope.ref(String(operand)),
  "Fn::GetAtt": (operand, scope) => {
    const [logicalId = "", ...attribute] =
      typeof operand === "string" ? operand.split(".") : texts(operand, "Fn::GetAtt", scope);
    return scope.attribute(logicalId, attribute.join("."));
  },
  "Fn::ImportValue": (operand, scope) => scope.importedValue(text(operand, "Fn::ImportValue", scope)),
  "Fn::Join": (operand, scope) => {
    const [separator, list] = operands(operand, 2, "Fn::Join", scope);
    return texts(list ?? null, "Fn::Join", scope).join(text(separator ?? null, "Fn::Join", scope));
  },
  "Fn::Split": (operand, scope) => {
    const [separator, source] = operands(operand, 2, "Fn::Split", scope);
    return text(source ?? null, "Fn::Split", scope).split(text(separator ?? null, "Fn::Split", scope));
  },
  "Fn::Select": (operand, scope) => {
    const [index, list] = operands(operand, 2, "Fn::Select", scope);
    const items = resolveIntrinsics(list ?? null, scope);
    const item = isList(items) ? items[Number(resolveIntrinsics(index ?? null, scope))] : undefined;
    if (item === undefined) throw new Error(`${scope.where}: Fn::Select finds nothing at ${JSON.stringify(index)}.`);
    return item;
  },
  "Fn::Sub": substitute,
  "Fn::If": (operand, scope) => {
    const [name, whenTrue, whenFalse] = operands(operand, 3, "Fn::If", scope);
    return resolveIntrinsics((scope.condition(String(name)) ? whenTrue : whenFalse) ?? null, scope);
  },
  "Fn::FindInMap": (operand, scope) => {
    const [map, topKey, secondKey] = operands(operand, 3, "Fn::FindInMap", scope).map((item) =>
      text(item, "Fn::FindInMap", scope),
    );
    return scope.mapped(map ?? "", topKey ?? "", secondKey ?? "");
  },
  "Fn::Base64": (operand, scope) => Buffer.from(text(operand, "Fn::Base64", scope)).toString("base64"),
};

function substitute(operand: Json, scope: Scope): string {
  const [template = "", variables = {}] = isList(operand) ? operand : [operand];
  const given = isObject(variables) ? variables : {};
  return String(template).replace(/\$\{([^}]*)\}/g, (_whole, inner: string) => {
    if (inner.startsWith("!")) return `\${${inner.slice(1)}}`;
    const own = given[inner];
    if (own !== undefined) return text(own, "Fn::Sub", scope);
    const dot = inner.indexOf(".");
    return dot < 0
      ? text({ Ref: inner }, "Fn::Sub", scope)
      : text({ "Fn::GetAtt": [inner.slice(0, dot), inner.slice(dot + 1)] }, "Fn::Sub", scope);
  });
}

function operands(operand: Json, count: number, name: string, scope: Scope): readonly Json[] {
  if (isList(operand) && operand.length === count) return operand;
  throw new Error(`${scope.where}: ${name} takes a list of ${count}.`);
}

function text(operand: Json, name: string, scope: Scope): string {
  const resolved = resolveIntrinsics(operand, scope);
  if (typeof resolved === "string" || typeof resolved === "number" || typeof resolved === "boolean") {
    return String(resolved);
  }
  throw new Error(`${scope.where}: ${name} needs a text, and got ${JSON.stringify(resolved)}.`);
}

function texts(operand: Json, name: string, scope: Scope): string[] {
  const resolved = resolveIntrinsics(operand, scope);
  if (!isList(resolved)) throw new Error(`${scope.where}: ${name} needs a list, and got ${JSON.stringify(resolved)}.`);
  return resolved.map((item) => text(item, name, scope));
}

function refuseDynamicReference(value: string, scope: Scope): string {
  const reference = /\{\{resolve:[^}]*\}\}/.exec(value)?.[0];
  if (reference) throw new Error(`${scope.where}: the local cloud does not resolve dynamic references: ${reference}.`);
  return value;
}

export function isList(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value);
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
