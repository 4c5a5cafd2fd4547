// Where a Distributed Map's items come from: the state's input, a JSON or JSONL object in S3, or a listing of S3.
import type { Readable } from "node:stream";
import { StringDecoder } from "node:string_decoder";
import type { ItemReader, MapState } from "./definition.ts";
import { unexpectedType } from "./expressions.ts";
import { isJsonObject, type Json, type JsonObject, parseJson } from "./json.ts";
import { itemsIn, type MapItem } from "./map-items.ts";
import { numberField } from "./number-field.ts";
import type { Runtime } from "./runtime.ts";
import type { Scope } from "./scope.ts";
import { WorkflowError } from "./workflow-error.ts";

/** A JSON object in S3 is parsed as a whole, so it is bounded; a JSONL one is read line by line. */
const largestJsonBytes = 256 * 1024 * 1024;
/** Far beyond what fits into a child's input. */
const largestLineCharacters = 16 * 1024 * 1024;
const mostItems = 100_000_000;

/** Throws States.ItemReaderFailed for whatever goes wrong with the source. */
export async function* readItems(runtime: Runtime, scope: Scope, state: MapState): AsyncGenerator<MapItem> {
  const reader = state.ItemReader;
  if (!reader) {
    const items = state.Items === undefined ? scope.input : await scope.evaluate(state.Items, "Items");
    yield* itemsIn(items, () => unexpectedType("Items", "array", items));
    return;
  }
  const args = reader.Arguments === undefined ? {} : await scope.evaluate(reader.Arguments, "ItemReader/Arguments");
  if (!isJsonObject(args)) throw unexpectedType("ItemReader/Arguments", "object", args);
  const maxItems = await numberField(scope, reader.ReaderConfig?.MaxItems, "ItemReader/ReaderConfig/MaxItems", {
    from: 0,
    to: mostItems,
    whole: true,
  });
  // AWS takes 0 as no limit.
  const limit = maxItems || mostItems;
  let count = 0;
  for await (const item of itemsOf(runtime, scope, reader, args)) {
    if (count >= limit) return;
    count += 1;
    yield item;
  }
}

function itemsOf(runtime: Runtime, scope: Scope, reader: ItemReader, args: JsonObject): AsyncGenerator<MapItem> {
  if (reader.Resource.endsWith(":listObjectsV2")) return listObjects(runtime, scope, args);
  return reader.ReaderConfig?.InputType === "JSONL" ? readLines(runtime, scope, args) : readArray(runtime, scope, args);
}

async function* readArray(runtime: Runtime, scope: Scope, args: JsonObject): AsyncGenerator<MapItem> {
  const body = await openObject(runtime, scope, args);
  let value: Json;
  try {
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of body as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > largestJsonBytes) throw new Error(`it is larger than ${largestJsonBytes} bytes; use JSONL`);
      chunks.push(chunk);
    }
    value = parseJson(Buffer.concat(chunks).toString("utf8"));
  } catch (error) {
    throw readerFailed(args, error);
  }
  yield* itemsIn(value, () => readerFailed(args, new Error("it holds neither an array nor an object")));
}

async function* readLines(runtime: Runtime, scope: Scope, args: JsonObject): AsyncGenerator<MapItem> {
  const body = await openObject(runtime, scope, args);
  let Index = 0;
  try {
    for await (const line of linesOf(body)) {
      if (line.trim() === "") continue;
      yield { Index, Value: parseJson(line) };
      Index += 1;
    }
  } catch (error) {
    throw readerFailed(args, error);
  } finally {
    body.destroy();
  }
}

/** Not `node:readline`: its iterator loses the input's errors, and its end when the reader is slow. */
async function* linesOf(body: Readable): AsyncGenerator<string> {
  const decoder = new StringDecoder("utf8");
  let rest = "";
  for await (const chunk of body as AsyncIterable<Buffer>) {
    const lines = (rest + decoder.write(chunk)).split("\n");
    rest = lines.pop() ?? "";
    if (rest.length > largestLineCharacters)
      throw new Error(`a line is longer than ${largestLineCharacters} characters`);
    yield* lines;
  }
  yield rest + decoder.end();
}

async function* listObjects(runtime: Runtime, scope: Scope, args: JsonObject): AsyncGenerator<MapItem> {
  const { role } = scope.execution.machine;
  let Index = 0;
  let ContinuationToken: Json | undefined;
  do {
    let page: Json;
    try {
      const asked = ContinuationToken === undefined ? args : { ...args, ContinuationToken };
      page = await runtime.sdk.call(role, "s3", "listObjectsV2", asked, scope.signal);
    } catch (error) {
      throw readerFailed(args, error);
    }
    if (!isJsonObject(page)) return;
    for (const entry of Array.isArray(page.Contents) ? page.Contents : []) {
      if (isJsonObject(entry)) yield { Index, Value: listedObject(entry) };
      Index += 1;
    }
    ContinuationToken = page.IsTruncated === true ? page.NextContinuationToken : undefined;
  } while (ContinuationToken !== undefined);
}

/** Members as in AWS's documented example of this reader: Etag is spelt so, and the time is in seconds. */
function listedObject(entry: JsonObject): JsonObject {
  return {
    Etag: entry.ETag ?? null,
    Key: entry.Key ?? null,
    LastModified: Math.floor(Date.parse(String(entry.LastModified)) / 1000),
    Size: entry.Size ?? null,
    StorageClass: entry.StorageClass ?? "STANDARD",
  };
}

async function openObject(runtime: Runtime, scope: Scope, args: JsonObject): Promise<Readable> {
  try {
    return await runtime.sdk.openObject(scope.execution.machine.role, args, scope.signal);
  } catch (error) {
    throw readerFailed(args, error);
  }
}

function readerFailed(args: JsonObject, error: unknown): WorkflowError {
  if (error instanceof WorkflowError && error.errorName === "States.ItemReaderFailed") return error;
  const why =
    error instanceof WorkflowError
      ? `${error.errorName}: ${error.causeText}`
      : error instanceof Error
        ? error.message
        : "";
  const place = `Bucket: ${String(args.Bucket)}, Key: ${String(args.Key ?? args.Prefix ?? "")}`;
  return new WorkflowError("States.ItemReaderFailed", `Attempting to access ${place} failed with: ${why}`);
}
