// What an .asl.json says about itself: its placeholders, its Distributed Maps, and the mistakes that deploy would find too late.

/** A Distributed Map: it starts its own state machine's children, and reads and writes lists in S3. */
export interface DistributedMap {
  readonly stateName: string;
  /** Stands in the ARNs of the map's child executions. */
  readonly label: string;
  /** The placeholder of the bucket that the items are read from, when they come from S3. */
  readonly readerPlaceholder: string | undefined;
  readonly writerPlaceholder: string | undefined;
}

export interface WorkflowDefinition {
  readonly placeholders: ReadonlySet<string>;
  readonly distributedMaps: readonly DistributedMap[];
  /** The definition without the file's white space, ended after `timeoutSeconds`. */
  readonly text: string;
}

/** The definition cannot be deployed as it is; the message names the file, the place and the cure. */
export class WorkflowDefinitionError extends Error {
  override readonly name = "WorkflowDefinitionError";

  constructor(file: string, complaint: string) {
    super(`${file}: ${complaint}`);
  }
}

export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
interface JsonObject {
  readonly [key: string]: Json;
}

/** Step Functions' limit; longer labels are refused at deployment. */
const mostLabelLetters = 40;

/** Reads a definition, puts documents in and gives it its time limit; throws WorkflowDefinitionError. */
export function readWorkflowDefinition(
  file: string,
  text: string,
  timeoutSeconds: number,
  documents: Readonly<Record<string, Json>> = {},
): WorkflowDefinition {
  let definition: Json;
  try {
    definition = JSON.parse(text) as Json;
  } catch (error) {
    throw new WorkflowDefinitionError(file, `is not JSON: ${(error as Error).message}`);
  }
  definition = putDocuments(file, definition, documents);
  if (!isObject(definition)) throw new WorkflowDefinitionError(file, "is not an object with States.");
  if (definition.TimeoutSeconds !== undefined) {
    throw new WorkflowDefinitionError(file, "has TimeoutSeconds of its own: the stack gives the time limit.");
  }
  const placeholders = new Set<string>();
  const distributedMaps: DistributedMap[] = [];
  const walk = (value: Json, path: string) => {
    if (typeof value === "string") {
      for (const placeholder of readPlaceholders(file, path, value)) placeholders.add(placeholder);
    } else if (Array.isArray(value)) {
      value.forEach((item, index) => {
        walk(item, `${path}[${index}]`);
      });
    } else if (isObject(value)) {
      for (const [key, inner] of Object.entries(value)) {
        if (key.includes("${")) throw new WorkflowDefinitionError(file, `${path}: a key cannot hold a placeholder.`);
        if (isObject(inner) && isDistributedMap(inner)) distributedMaps.push(readDistributedMap(file, key, inner));
        walk(inner, path === "" ? key : `${path}.${key}`);
      }
    }
  };
  walk(definition, "");
  refuseRepeatedLabels(file, distributedMaps);
  refuseShadowedVariables(file, definition, new Map());
  return { placeholders, distributedMaps, text: JSON.stringify({ ...definition, TimeoutSeconds: timeoutSeconds }) };
}

/** Each `"${Name}"` of a document becomes the document itself. */
function putDocuments(file: string, definition: Json, documents: Readonly<Record<string, Json>>): Json {
  const unused = new Set(Object.keys(documents));
  const put = (value: Json): Json => {
    if (typeof value === "string") {
      const name = /^\$\{([A-Za-z0-9]+)\}$/.exec(value)?.[1];
      const document = name === undefined ? undefined : documents[name];
      if (name === undefined || document === undefined) return value;
      unused.delete(name);
      refuseProgram(file, name, document);
      return document;
    }
    if (Array.isArray(value)) return value.map(put);
    if (!isObject(value)) return value;
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, put(inner)]));
  };
  const filled = put(definition);
  if (unused.size === 0) return filled;
  throw new WorkflowDefinitionError(file, `${[...unused].join(", ")} is given, but does not stand in it.`);
}

/** A document is data: a text in it must not be run. */
function refuseProgram(file: string, name: string, document: Json): void {
  const text = JSON.stringify(document);
  if (text.includes('"{%') || text.includes("${")) {
    throw new WorkflowDefinitionError(
      file,
      `the document ${name} has a text that Step Functions would run or fill in.`,
    );
  }
}

/** The definition's placeholders and the given values must be the same set; throws WorkflowDefinitionError. */
export function checkPlaceholders(file: string, placeholders: ReadonlySet<string>, given: readonly string[]): void {
  const missing = [...placeholders].filter((name) => !given.includes(name));
  const unused = given.filter((name) => !placeholders.has(name));
  const complaints = [
    ...missing.map((name) => `\${${name}} stands in it, but no function or value of that name is given.`),
    ...unused.map((name) => `${name} is given, but \${${name}} does not stand in it.`),
  ];
  if (complaints.length > 0) throw new WorkflowDefinitionError(file, complaints.join(" "));
}

/**
 * Step Functions refuses a variable that is assigned in a state machine and again in a map or branch inside of it
 * ("Variable scope" in its guide); the local engine is not as strict.
 */
function refuseShadowedVariables(file: string, scope: JsonObject, outer: ReadonlyMap<string, string>): void {
  const states = isObject(scope.States) ? Object.entries(scope.States) : [];
  const own = new Map(outer);
  for (const [stateName, state] of states) {
    for (const variable of isObject(state) ? assignedIn(state) : []) {
      const elsewhere = outer.get(variable);
      if (elsewhere !== undefined) {
        throw new WorkflowDefinitionError(
          file,
          `"${stateName}" assigns ${variable}, which "${elsewhere}" assigns around it: give one of them another name.`,
        );
      }
      own.set(variable, stateName);
    }
  }
  for (const [, state] of states) {
    if (!isObject(state)) continue;
    const branches = Array.isArray(state.Branches) ? state.Branches : [];
    for (const inner of [state.ItemProcessor ?? null, ...branches]) {
      if (isObject(inner)) refuseShadowedVariables(file, inner, own);
    }
  }
}

/** Variables that a state assigns: itself, in its Catch, in its Choices. */
function assignedIn(state: JsonObject): string[] {
  const ways = [state, ...[state.Catch, state.Choices].flatMap((list) => (Array.isArray(list) ? list : []))];
  return ways.flatMap((way) => (isObject(way) && isObject(way.Assign) ? Object.keys(way.Assign) : []));
}

function readPlaceholders(file: string, path: string, text: string): string[] {
  if (text.startsWith("{%")) {
    // A substituted value would be parsed as JSONata: a quote in it changes the program.
    if (text.includes("${")) {
      throw new WorkflowDefinitionError(
        file,
        `${path}: \${…} stands inside JSONata. Put the placeholder into a string of its own, Assign it, and use the variable.`,
      );
    }
    return [];
  }
  const names = [...text.matchAll(/\$\{([A-Za-z0-9]+)\}/g)].map((match) => match[1] ?? "");
  if (names.length !== text.split("${").length - 1) {
    throw new WorkflowDefinitionError(file, `${path}: a placeholder is \${Letters} or \${Digits0}, nothing else.`);
  }
  return names;
}

function isDistributedMap(state: JsonObject): boolean {
  const processor = state.ItemProcessor;
  const config = isObject(processor) ? processor.ProcessorConfig : undefined;
  return state.Type === "Map" && isObject(config) && config.Mode === "DISTRIBUTED";
}

function readDistributedMap(file: string, stateName: string, state: JsonObject): DistributedMap {
  const label = state.Label;
  if (typeof label !== "string" || label.length > mostLabelLetters) {
    throw new WorkflowDefinitionError(
      file,
      `the Distributed Map "${stateName}" needs a Label of at most ${mostLabelLetters} letters: ` +
        "it stands in the ARNs of its children, and a generated one would change with every deployment.",
    );
  }
  return {
    stateName,
    label,
    readerPlaceholder: readBucket(file, stateName, "ItemReader", state.ItemReader),
    writerPlaceholder: readBucket(file, stateName, "ResultWriter", state.ResultWriter),
  };
}

function readBucket(file: string, stateName: string, field: string, part: Json | undefined): string | undefined {
  const details = isObject(part) ? part.Arguments : undefined;
  if (!isObject(details)) return undefined;
  const bucket = details.Bucket;
  const placeholder = typeof bucket === "string" ? /^\$\{([A-Za-z0-9]+)\}$/.exec(bucket)?.[1] : undefined;
  if (placeholder !== undefined) return placeholder;
  throw new WorkflowDefinitionError(
    file,
    `"${stateName}": ${field}.Arguments.Bucket must be a placeholder such as "\${WorkBucket}", so that access to it can be granted.`,
  );
}

function refuseRepeatedLabels(file: string, maps: readonly DistributedMap[]): void {
  const seen = new Map<string, string>();
  for (const { label, stateName } of maps) {
    const first = seen.get(label);
    if (first !== undefined) {
      throw new WorkflowDefinitionError(file, `"${first}" and "${stateName}" have the same Label, ${label}.`);
    }
    seen.set(label, stateName);
  }
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
