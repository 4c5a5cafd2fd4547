// Groups a Distributed Map's items into child inputs, by number and by bytes.
import { type Json, largestPayloadBytes } from "./json.ts";
import { WorkflowError } from "./workflow-error.ts";

export interface BatchLimits {
  readonly maxItems: number;
  /** Of the whole child input, in UTF-8 bytes. */
  readonly maxInputBytes: number;
  /** JSON text of the evaluated BatchInput. */
  readonly batchInputText: string | undefined;
}

export interface ChildInput {
  readonly text: string;
  readonly itemCount: number;
}

/** Collects items; `add` hands out a batch when the new item does not fit into it any more. */
export class ItemBatch {
  readonly #limits: BatchLimits;
  readonly #prefix: string;
  #texts: string[] = [];
  #bytes = 0;

  constructor(limits: BatchLimits) {
    this.#limits = limits;
    this.#prefix =
      limits.batchInputText === undefined ? '{"Items":[' : `{"BatchInput":${limits.batchInputText},"Items":[`;
  }

  add(item: Json): ChildInput | undefined {
    const text = JSON.stringify(item);
    const bytes = Buffer.byteLength(text);
    const frameBytes = Buffer.byteLength(this.#prefix) + "]}".length;
    const most = Math.min(this.#limits.maxInputBytes, largestPayloadBytes);
    if (frameBytes + bytes > most) {
      throw new WorkflowError(
        "States.DataLimitExceeded",
        `An item of ${bytes} bytes does not fit into a batch of at most ${most} bytes.`,
      );
    }
    const commas = this.#texts.length;
    const full = this.#texts.length >= this.#limits.maxItems || frameBytes + this.#bytes + commas + bytes > most;
    const batch = full ? this.take() : undefined;
    this.#texts.push(text);
    this.#bytes += bytes;
    return batch;
  }

  /** What is left, if anything. */
  take(): ChildInput | undefined {
    if (this.#texts.length === 0) return undefined;
    const batch = { text: `${this.#prefix}${this.#texts.join(",")}]}`, itemCount: this.#texts.length };
    this.#texts = [];
    this.#bytes = 0;
    return batch;
  }
}
