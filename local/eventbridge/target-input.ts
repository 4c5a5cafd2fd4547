// What a target receives: the event itself, a fixed Input, a part of it (InputPath), or a text made from it.
// Source: "Amazon EventBridge input transformation".
import type { CloudEvent } from "../gateway/ports.ts";
import { ServiceError } from "../gateway/service.ts";

/** In the spelling of the API and of CloudFormation. At most one of the three. */
export interface TargetInput {
  readonly Input?: string | undefined;
  readonly InputPath?: string | undefined;
  readonly InputTransformer?:
    | { readonly InputPathsMap?: Readonly<Record<string, string>> | undefined; readonly InputTemplate: string }
    | undefined;
}

export interface RuleFacts {
  readonly ruleArn: string;
  readonly ruleName: string;
  readonly ingestionTime: string;
}

/** Throws ServiceError ValidationException for a path that is not understood. */
export function compileTargetInput(input: TargetInput): (event: CloudEvent, rule: RuleFacts) => string {
  const given = [input.Input, input.InputPath, input.InputTransformer].filter((way) => way !== undefined);
  if (given.length > 1) throw invalid("Only one of Input, InputPath and InputTransformer can be given.");
  if (input.Input !== undefined) {
    const fixed = input.Input;
    return () => fixed;
  }
  if (input.InputPath !== undefined) {
    const read = compilePath(input.InputPath);
    return (event) => JSON.stringify(read(event) ?? null);
  }
  if (input.InputTransformer !== undefined) return compileTransformer(input.InputTransformer);
  return (event) => JSON.stringify(event);
}

function compileTransformer(transformer: NonNullable<TargetInput["InputTransformer"]>) {
  const paths = Object.entries(transformer.InputPathsMap ?? {}).map(
    ([name, path]): [string, (event: CloudEvent) => unknown] => [name, compilePath(path)],
  );
  const pieces = splitTemplate(transformer.InputTemplate);
  return (event: CloudEvent, rule: RuleFacts) => {
    const { detail: _, ...withoutDetail } = event;
    const values = new Map<string, unknown>([
      ["aws.events.rule-arn", rule.ruleArn],
      ["aws.events.rule-name", rule.ruleName],
      ["aws.events.event.ingestion-time", rule.ingestionTime],
      ["aws.events.event", withoutDetail],
      ["aws.events.event.json", event],
      ...paths.map(([name, read]): [string, unknown] => [name, read(event)]),
    ]);
    return pieces.map((piece) => (typeof piece === "string" ? piece : fill(piece, values))).join("");
  };
}

interface Placeholder {
  readonly name: string;
  readonly insideQuotes: boolean;
}

/** Outside quotes a value stands as JSON; inside, as text, escaped so that the whole stays JSON. */
function fill(placeholder: Placeholder, values: ReadonlyMap<string, unknown>): string {
  if (!values.has(placeholder.name)) return `<${placeholder.name}>`;
  // A path that leads nowhere leaves an empty text.
  const value = values.get(placeholder.name) ?? "";
  if (!placeholder.insideQuotes) return JSON.stringify(value);
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return JSON.stringify(text).slice(1, -1);
}

function splitTemplate(template: string): (string | Placeholder)[] {
  const pieces: (string | Placeholder)[] = [];
  let insideQuotes = false;
  for (const piece of template.split(/(<[\w.-]+>)/)) {
    if (/^<[\w.-]+>$/.test(piece)) {
      pieces.push({ name: piece.slice(1, -1), insideQuotes });
      continue;
    }
    const quotes = piece.replaceAll(/\\./gs, "").split('"').length - 1;
    if (quotes % 2 === 1) insideQuotes = !insideQuotes;
    pieces.push(piece);
  }
  return pieces;
}

/** `$`, `$.detail.bucket.name`, `$.resources[0]`, `$['detail-type']`; anything more is refused. */
function compilePath(path: string): (event: CloudEvent) => unknown {
  const steps = path.match(/\.[\w-]+|\[\d+\]|\['[^']+'\]/g) ?? [];
  if (`$${steps.join("")}` !== path) throw invalid(`The JSON path ${path} is not one the local cloud understands.`);
  const members = steps.map((step) => step.replace(/^\.|^\['?|'?\]$/g, ""));
  return (event) => {
    let value: unknown = event;
    for (const member of members) {
      if (typeof value !== "object" || value === null) return undefined;
      value = (value as Readonly<Record<string, unknown>>)[member];
    }
    return value;
  };
}

function invalid(sentence: string): ServiceError {
  return new ServiceError(400, "ValidationException", sentence);
}
