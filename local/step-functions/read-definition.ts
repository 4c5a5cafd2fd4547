// Reads a state machine's definition and refuses, by name, whatever the local cloud would not run as AWS does.
import { ServiceError } from "../gateway/service.ts";
import type { Definition } from "./definition.ts";
import * as fields from "./definition-fields.ts";
import { compileExpression, expressionIn } from "./expressions.ts";
import { isJsonObject, type Json, type JsonObject } from "./json.ts";
import { inventLabel, labelPattern } from "./names.ts";
import { readResource } from "./resources.ts";

/** CreateStateMachine, API reference. */
const largestDefinitionBytes = 1_048_576;
const longestStateNameCharacters = 80;

interface Reading {
  readonly queryLanguage: Json | undefined;
  readonly stateNames: Set<string>;
  readonly labels: Set<string>;
}

/** Throws ServiceError InvalidDefinition; the message says where. */
export function readDefinition(text: string): Definition {
  if (Buffer.byteLength(text) > largestDefinitionBytes) throw invalid("", "the definition is larger than 1 MiB");
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw new ServiceError(400, "InvalidDefinition", `Invalid State Machine Definition: not JSON: ${String(error)}`);
  }
  if (!isJsonObject(parsed)) throw invalid("", "the definition is not a JSON object");
  checkFields(parsed, fields.machineFields, "");
  positiveInteger(parsed, "TimeoutSeconds", "", false);
  const reading: Reading = { queryLanguage: parsed.QueryLanguage, stateNames: new Set(), labels: new Set() };
  checkBlock(parsed, "", reading, new Set());
  return parsed as unknown as Definition;
}

function invalid(place: string, what: string): ServiceError {
  const where = place === "" ? "/" : place;
  return new ServiceError(
    400,
    "InvalidDefinition",
    `Invalid State Machine Definition: 'SCHEMA_VALIDATION_FAILED: ${what} at ${where}'`,
  );
}

function checkFields(value: JsonObject, known: readonly string[], place: string): void {
  for (const name of Object.keys(value)) {
    if (known.includes(name)) continue;
    if (fields.jsonPathFields.has(name) || name.endsWith(".$")) {
      throw invalid(place, `the field '${name}' belongs to JSONPath, and the local cloud runs JSONata only`);
    }
    throw invalid(place, `the field '${name}' is not supported`);
  }
}

function checkBlock(block: JsonObject, place: string, reading: Reading, outerVariables: ReadonlySet<string>): void {
  const { States: states, StartAt: startAt } = block;
  if (!isJsonObject(states) || Object.keys(states).length === 0) throw invalid(place, "States is missing or empty");
  if (typeof startAt !== "string" || !Object.hasOwn(states, startAt)) {
    throw invalid(place, `StartAt names no state: '${String(startAt)}'`);
  }
  const variables = new Set(outerVariables);
  for (const state of Object.values(states)) {
    if (isJsonObject(state)) for (const name of assignedBy(state)) variables.add(name);
  }
  for (const [name, state] of Object.entries(states)) {
    const statePlace = `${place}/States/${name}`;
    if (!isJsonObject(state)) throw invalid(statePlace, "a state is a JSON object");
    if (name.length > longestStateNameCharacters) throw invalid(statePlace, "a state's name has at most 80 characters");
    if (reading.stateNames.has(name)) throw invalid(statePlace, `the state name '${name}' is used twice`);
    reading.stateNames.add(name);
    for (const variable of assignedBy(state)) {
      if (outerVariables.has(variable)) {
        throw invalid(statePlace, `the variable '${variable}' belongs to an outer scope and cannot be assigned here`);
      }
    }
    checkState(state, statePlace, states, reading, variables);
  }
}

function assignedBy(state: JsonObject): string[] {
  const holders = [state, ...objectsIn(state.Catch), ...objectsIn(state.Choices)];
  return holders.flatMap((holder) => (isJsonObject(holder.Assign) ? Object.keys(holder.Assign) : []));
}

function objectsIn(value: Json | undefined): JsonObject[] {
  return Array.isArray(value) ? value.filter(isJsonObject) : [];
}

function checkState(
  state: JsonObject,
  place: string,
  siblings: JsonObject,
  reading: Reading,
  variables: ReadonlySet<string>,
): void {
  const language = state.QueryLanguage ?? reading.queryLanguage ?? "JSONPath";
  if (language !== "JSONata") {
    throw invalid(place, `the query language ${String(language)} is not supported: the local cloud runs JSONata only`);
  }
  const type = String(state.Type);
  const known = fields.stateFields[type];
  if (!known) throw invalid(place, `the state type '${type}' is not known`);
  checkFields(state, known, place);
  checkTransitions(state, type, place, siblings);
  checkGuards(state, place, siblings);
  if (type === "Choice") checkChoices(state, place, siblings);
  if (type === "Task") checkTask(state, place);
  if (type === "Wait" && (state.Seconds === undefined) === (state.Timestamp === undefined)) {
    throw invalid(place, "a Wait state has either Seconds or Timestamp");
  }
  if (type === "Parallel") {
    const branches = objectsIn(state.Branches);
    if (branches.length === 0) throw invalid(place, "a Parallel state has Branches");
    for (const [index, branch] of branches.entries()) {
      const branchPlace = `${place}/Branches/${index}`;
      checkFields(branch, fields.blockFields, branchPlace);
      checkBlock(branch, branchPlace, reading, variables);
    }
  }
  if (type === "Map") checkMap(state, place, reading, variables);
  const { ItemProcessor: _processor, Branches: _branches, ...own } = state;
  checkExpressions(own, place);
}

function checkTransitions(state: JsonObject, type: string, place: string, siblings: JsonObject): void {
  if (type === "Choice" || type === "Succeed" || type === "Fail") return;
  if (state.End !== undefined && state.End !== true) throw invalid(place, "End is true or absent");
  if ((state.Next === undefined) === (state.End === undefined)) throw invalid(place, "a state has either Next or End");
  if (state.Next !== undefined) checkTarget(state.Next, place, siblings);
}

function checkTarget(next: Json | undefined, place: string, siblings: JsonObject): void {
  if (typeof next !== "string" || !Object.hasOwn(siblings, next)) {
    throw invalid(place, `MISSING_TRANSITION_TARGET: Next names no state of the same block: '${String(next)}'`);
  }
}

function checkGuards(state: JsonObject, place: string, siblings: JsonObject): void {
  const retriers = objectsIn(state.Retry);
  for (const [index, retrier] of retriers.entries()) {
    const retrierPlace = `${place}/Retry/${index}`;
    checkFields(retrier, fields.retrierFields, retrierPlace);
    checkErrorEquals(retrier, retrierPlace, index === retriers.length - 1);
    positiveInteger(retrier, "IntervalSeconds", retrierPlace, false);
    positiveInteger(retrier, "MaxDelaySeconds", retrierPlace, false);
    const { MaxAttempts: attempts, BackoffRate: rate, JitterStrategy: jitter } = retrier;
    if (attempts !== undefined && !(Number.isInteger(attempts) && Number(attempts) >= 0)) {
      throw invalid(retrierPlace, "MaxAttempts is an integer from 0");
    }
    if (rate !== undefined && !(typeof rate === "number" && rate >= 1)) {
      throw invalid(retrierPlace, "BackoffRate is a number from 1");
    }
    if (jitter !== undefined && jitter !== "FULL" && jitter !== "NONE") {
      throw invalid(retrierPlace, "JitterStrategy is FULL or NONE");
    }
  }
  const catchers = objectsIn(state.Catch);
  for (const [index, catcher] of catchers.entries()) {
    const catcherPlace = `${place}/Catch/${index}`;
    checkFields(catcher, fields.catcherFields, catcherPlace);
    checkErrorEquals(catcher, catcherPlace, index === catchers.length - 1);
    checkTarget(catcher.Next, catcherPlace, siblings);
  }
}

function checkErrorEquals(guard: JsonObject, place: string, isLast: boolean): void {
  const names = guard.ErrorEquals;
  if (!Array.isArray(names) || names.length === 0 || !names.every((name) => typeof name === "string")) {
    throw invalid(place, "ErrorEquals is a list of error names");
  }
  if (names.includes("States.ALL") && (names.length > 1 || !isLast)) {
    throw invalid(place, "States.ALL stands alone and last");
  }
}

function checkChoices(state: JsonObject, place: string, siblings: JsonObject): void {
  const rules = objectsIn(state.Choices);
  if (rules.length === 0) throw invalid(place, "a Choice state has Choices");
  for (const [index, rule] of rules.entries()) {
    const rulePlace = `${place}/Choices/${index}`;
    checkFields(rule, fields.choiceRuleFields, rulePlace);
    if (rule.Condition === undefined) throw invalid(rulePlace, "a rule has a Condition");
    checkTarget(rule.Next, rulePlace, siblings);
  }
  if (state.Default !== undefined) checkTarget(state.Default, place, siblings);
}

function checkTask(state: JsonObject, place: string): void {
  const resource = readResource(String(state.Resource));
  if (typeof resource === "string") throw invalid(place, resource);
  positiveInteger(state, "TimeoutSeconds", place, true);
  if (resource.kind === "lambda-invoke") {
    const given = state.Arguments;
    if (!isJsonObject(given)) {
      if (typeof given === "string" && expressionIn(given) !== undefined) return;
      throw invalid(place, "lambda:invoke needs Arguments with a FunctionName");
    }
    checkFields(given, ["FunctionName", "Payload"], `${place}/Arguments`);
    if (given.FunctionName === undefined) throw invalid(`${place}/Arguments`, "FunctionName is missing");
  }
}

function checkMap(state: JsonObject, place: string, reading: Reading, variables: ReadonlySet<string>): void {
  const processor = state.ItemProcessor;
  const processorPlace = `${place}/ItemProcessor`;
  if (!isJsonObject(processor)) throw invalid(place, "a Map state has an ItemProcessor");
  checkFields(processor, fields.processorFields, processorPlace);
  const config = isJsonObject(processor.ProcessorConfig) ? processor.ProcessorConfig : {};
  checkFields(config, ["Mode", "ExecutionType"], `${processorPlace}/ProcessorConfig`);
  const distributed = config.Mode === "DISTRIBUTED";
  if (!distributed) {
    for (const name of fields.distributedOnlyFields) {
      if (state[name] !== undefined) throw invalid(place, `the field '${name}' needs the mode DISTRIBUTED`);
    }
    checkBlock(processor, processorPlace, reading, variables);
    return;
  }
  const label = state.Label ?? inventLabel(place);
  if (typeof label !== "string" || !labelPattern.test(label))
    throw invalid(place, "Label has up to 40 of A-Z a-z 0-9 _ -");
  if (reading.labels.has(label)) throw invalid(place, `the Label '${label}' is used twice`);
  reading.labels.add(label);
  state.Label = label;
  checkReaderAndWriter(state, place);
  // Children of a Distributed Map see no variable of their parent, so they may assign any name.
  checkBlock(processor, processorPlace, reading, new Set());
}

function checkReaderAndWriter(state: JsonObject, place: string): void {
  const { ItemReader: reader, ItemBatcher: batcher, ResultWriter: writer } = state;
  if (isJsonObject(reader)) {
    checkFields(reader, fields.readerFields, `${place}/ItemReader`);
    const config = isJsonObject(reader.ReaderConfig) ? reader.ReaderConfig : {};
    checkFields(config, fields.readerConfigFields, `${place}/ItemReader/ReaderConfig`);
    const lists = /^arn:aws[\w-]*:states:::s3:listObjectsV2$/.test(String(reader.Resource));
    if (!lists && !/^arn:aws[\w-]*:states:::s3:getObject$/.test(String(reader.Resource))) {
      throw invalid(`${place}/ItemReader`, `the resource '${String(reader.Resource)}' is not supported`);
    }
    if (!lists && config.InputType !== "JSON" && config.InputType !== "JSONL") {
      throw invalid(
        `${place}/ItemReader`,
        `InputType '${String(config.InputType)}' is not supported: JSON or JSONL is`,
      );
    }
  }
  if (isJsonObject(batcher)) checkFields(batcher, fields.batcherFields, `${place}/ItemBatcher`);
  if (isJsonObject(writer)) {
    checkFields(writer, fields.writerFields, `${place}/ResultWriter`);
    if (isJsonObject(writer.WriterConfig)) {
      checkFields(writer.WriterConfig, fields.writerConfigFields, `${place}/ResultWriter/WriterConfig`);
    }
    if (writer.Resource === undefined && writer.WriterConfig === undefined) {
      throw invalid(`${place}/ResultWriter`, "ResultWriter is empty");
    }
    if (writer.Resource !== undefined && !/^arn:aws[\w-]*:states:::s3:putObject$/.test(String(writer.Resource))) {
      throw invalid(`${place}/ResultWriter`, `the resource '${String(writer.Resource)}' is not supported`);
    }
  }
}

function positiveInteger(holder: JsonObject, member: string, place: string, expressionAllowed: boolean): void {
  const value = holder[member];
  if (value === undefined) return;
  if (expressionAllowed && typeof value === "string" && expressionIn(value) !== undefined) return;
  if (!Number.isInteger(value) || Number(value) < 1) throw invalid(place, `${member} is a positive integer`);
}

function checkExpressions(value: Json, place: string): void {
  if (typeof value === "string") {
    const source = expressionIn(value);
    if (source === undefined) return;
    try {
      compileExpression(source);
    } catch (error) {
      const why = typeof error === "object" && error !== null && "message" in error ? error.message : error;
      throw invalid(place, `the expression '${source}' is not JSONata: ${String(why)}`);
    }
  } else if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) checkExpressions(item, `${place}/${index}`);
  } else if (isJsonObject(value)) {
    for (const [name, member] of Object.entries(value)) checkExpressions(member, `${place}/${name}`);
  }
}
