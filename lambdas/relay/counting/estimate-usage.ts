// What a request used: as the upstream reported it, or as far as it can be told where the answer was cut or said nothing.
import type { AnswerReader, Demand } from "../protocols/protocol.ts";
import type { RelaySettings } from "../settings.ts";
import { noUsage, type TokenUsage, tokensOf } from "../token-usage.ts";
import { bytesAsTokens } from "./cost.ts";

export interface Used {
  readonly usage: TokenUsage;
  readonly source: "reported" | "estimated" | "none";
  /** The part of it that the key is charged for; absent: all of it. */
  readonly charged?: TokenUsage;
}

export const nothingUsed: Used = { usage: noUsage, source: "none" };

export interface AnswerFacts {
  /** Of an answer with status 200; what was refused with an error used nothing: `nothingUsed`. */
  readonly answer: Pick<AnswerReader, "usage" | "inputUsage" | "outputBytes" | "streamedError">;
  readonly demand: Demand;
  /** Output tokens that were paid for: what was pushed beyond them was not passed on. */
  readonly coveredTokens: number;
  /** Input tokens that were paid for. */
  readonly reservedInputTokens: number;
  /** The relay ended the answer itself, because the next slice was not to be had: what was pushed last was not passed on. */
  readonly isCutByRelay: boolean;
  /** Of an answer in one piece that was given up before its end: so long its upstream may have been at work. */
  readonly workedMilliseconds?: number;
  readonly settings: Pick<RelaySettings, "typicalBytesPerTokenThousandths">;
}

/** What is reserved is an upper bound; what is charged without a report should be near the truth, whatever the key reserves by. */
const likely = { estimate: "typical" } as const;

/**
 * An estimate counts the output that was seen, and the input of the body: images and files that are elsewhere were
 * reserved as the whole context window, but nobody is charged for what may not have been there.
 */
export function usageOf(facts: AnswerFacts): Used {
  const { answer, demand, coveredTokens, reservedInputTokens, settings } = facts;
  // A report without a single token says nothing: there is no request that used none.
  if (answer.usage !== undefined && tokensOf(answer.usage) > 0) return reported(answer.usage, facts);
  // An error in place of an answer, as OpenAI tells of limits within a stream: nothing was made, and nothing is billed.
  if (answer.streamedError !== undefined && answer.inputUsage === undefined && answer.outputBytes === 0)
    return nothingUsed;
  const input = answer.inputUsage ?? inputOf(demand, reservedInputTokens, settings);
  const seen = Math.max(bytesAsTokens(answer.outputBytes, likely, settings), madeIn(facts.workedMilliseconds ?? 0));
  // The output that stands in the input's usage is the placeholder of a stream that was cut.
  const outputTokens = Math.min(seen + input.reasoningTokens, coveredTokens);
  return { usage: { ...input, outputTokens }, source: "estimated" };
}

/** Of a model that answers in one piece; what is charged without a report should be near the truth. */
const likelyTokensPerSecond = 50;

/**
 * Of a request whose upstream was given up before it said anything. Who answers in one piece may have been at work all the
 * time; a stream begins as soon as it is worked on, so that one without a beginning was not.
 */
export function usageOfGivenUp(
  {
    demand,
    coveredTokens,
    reservedInputTokens,
    settings,
  }: Omit<AnswerFacts, "answer" | "isCutByRelay" | "workedMilliseconds">,
  { isStream, waitedMilliseconds }: { readonly isStream: boolean; readonly waitedMilliseconds: number },
): Used {
  if (isStream) return nothingUsed;
  const input = inputOf(demand, reservedInputTokens, settings);
  const outputTokens = Math.min(madeIn(waitedMilliseconds), coveredTokens);
  return { usage: { ...input, outputTokens }, source: "estimated" };
}

function madeIn(milliseconds: number): number {
  return Math.floor((Math.max(0, milliseconds) / 1000) * likelyTokensPerSecond);
}

function inputOf({ inputBytes }: Demand, reservedInputTokens: number, settings: AnswerFacts["settings"]): TokenUsage {
  return { ...noUsage, inputTokens: Math.min(reservedInputTokens, bytesAsTokens(inputBytes, likely, settings)) };
}

/** A fast upstream tells of its whole answer in the piece in which the budget ends. */
function reported(usage: TokenUsage, { coveredTokens, isCutByRelay }: AnswerFacts): Used {
  if (!isCutByRelay || usage.outputTokens <= coveredTokens) return { usage, source: "reported" };
  return { usage, source: "reported", charged: { ...usage, outputTokens: coveredTokens } };
}
