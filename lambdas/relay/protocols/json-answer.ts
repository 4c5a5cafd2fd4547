// JSON answer: a body that comes whole. Its bytes pass as they come; what it says is read at its end.
import type { TokenUsage } from "../token-usage.ts";
import { type JsonObject, objectOf, parseJson } from "../wire/json-values.ts";
import type { AnswerReader } from "./protocol.ts";

const nothing = Buffer.alloc(0);

/** What a larger answer used is not read: it is estimated. Lists of embeddings can be this long. */
const mostReadBytes = 16 * 1024 * 1024;

export interface JsonFacts {
  readonly usage: TokenUsage | undefined;
  readonly servedModel: string | undefined;
  readonly madeIds: readonly string[];
}

/** `outputBytes` are all bytes: an upper bound of what the answer says. */
export class JsonAnswer implements AnswerReader {
  outputBytes = 0;
  usage: TokenUsage | undefined;
  readonly inputUsage = undefined;
  servedModel: string | undefined;
  isComplete = false;
  readonly streamedError = undefined;
  madeIds: readonly string[] = [];
  readonly #read: (answer: JsonObject) => JsonFacts;
  #kept: Buffer[] = [];

  constructor(read: (answer: JsonObject) => JsonFacts) {
    this.#read = read;
  }

  push(bytes: Buffer): Buffer {
    this.outputBytes += bytes.length;
    if (this.outputBytes <= mostReadBytes) this.#kept.push(bytes);
    else this.#kept = [];
    return bytes;
  }

  flush(): Buffer {
    if (this.outputBytes > mostReadBytes) {
      // Whether it is whole is known by the transport alone.
      this.isComplete = true;
      return nothing;
    }
    const answer = objectOf(
      parseJson(
        Buffer.concat(this.#kept)
          .toString("utf8")
          .replace(/^\ufeff/, ""),
      ),
    );
    this.#kept = [];
    if (answer === undefined) return nothing;
    this.isComplete = true;
    const { usage, servedModel, madeIds } = this.#read(answer);
    this.usage = usage;
    this.servedModel = servedModel;
    this.madeIds = madeIds;
    return nothing;
  }

  passed(): void {}

  ping(): Buffer {
    return nothing;
  }

  ending(): Buffer {
    return nothing;
  }

  failure(): Buffer {
    return nothing;
  }
}
