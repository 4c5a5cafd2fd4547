// What a request used: as the upstream reported it, or as far as it can be told where the answer was cut or said nothing.
import type { AnswerReader, Demand } from "../protocols/protocol.ts";
import type { RelaySettings } from "../settings.ts";
import { noUsage, type TokenUsage } from "../token-usage.ts";
import { bytesAsTokens } from "./cost.ts";

export interface Used {
  readonly usage: TokenUsage;
  readonly source: "reported" | "estimated" | "none";
}

export const nothingUsed: Used = { usage: noUsage, source: "none" };

export interface AnswerFacts {
  /** Of an answer with status 200; what was refused with an error used nothing: `nothingUsed`. */
  readonly answer: Pick<AnswerReader, "usage" | "inputUsage" | "outputBytes">;
  readonly demand: Demand;
  /** Output tokens that were paid for: what was pushed beyond them was not passed on. */
  readonly coveredTokens: number;
  readonly settings: Pick<RelaySettings, "typicalBytesPerTokenThousandths">;
}

/** What is reserved is an upper bound; what is charged without a report should be near the truth, whatever the key reserves by. */
const likely = { estimate: "typical" } as const;

/**
 * An estimate counts the output that was seen, and the input of the body: images and files that are elsewhere were
 * reserved as the whole context window, but nobody is charged for what may not have been there.
 */
export function usageOf({ answer, demand, coveredTokens, settings }: AnswerFacts): Used {
  if (answer.usage !== undefined) return { usage: answer.usage, source: "reported" };
  const input = answer.inputUsage ?? {
    ...noUsage,
    inputTokens: bytesAsTokens(demand.inputBytes, likely, settings),
  };
  const seen = bytesAsTokens(answer.outputBytes, likely, settings);
  // The output that stands in the input's usage is the placeholder of a stream that was cut.
  return {
    usage: { ...input, outputTokens: Math.min(seen, coveredTokens), reasoningTokens: 0 },
    source: "estimated",
  };
}
