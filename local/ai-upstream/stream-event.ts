// A piece of a stream before it becomes bytes.
import type { JsonObject } from "./read-json.ts";

export interface StreamEvent {
  /** Of the SSE `event:` line; absent where the vendor writes none. */
  readonly name?: string;
  /** "[DONE]" is the end of OpenAI's chat streams. */
  readonly data: JsonObject | "[DONE]";
}
