// Amazon Bedrock's paths: not served yet, and refused in the words that AWS's clients read.
import { Refusal } from "../refusal.ts";
import { anthropicError } from "./anthropic-refusal.ts";
import type { AnswerReader, Call, HttpAnswer, Protocol } from "./protocol.ts";
import { retryHeaders } from "./refusal-terms.ts";

export const bedrock: Protocol = {
  platform: "anthropic",

  read(): Call {
    throw new Refusal(
      "NotSupported",
      "This relay does not serve Amazon Bedrock's API yet: use the Anthropic API at /claude.",
    );
  },

  /** The error's name is a header, and the message stands at the top (smithy's restJson1). */
  refuse(refusal: Refusal, requestId: string, now: number): HttpAnswer {
    const { status, terms, body } = anthropicError(refusal, now, requestId);
    const { message } = body.error;
    return {
      status,
      headers: { ...retryHeaders(terms), "x-amzn-errortype": refusal.name, "x-amzn-requestid": requestId },
      body: JSON.stringify({ ...body, message }),
    };
  },

  follow(): AnswerReader {
    throw new TypeError("a call of Bedrock is never made");
  },
};
