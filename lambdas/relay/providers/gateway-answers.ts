// What gateways that stand upstream (LiteLLM, OpenRouter, one-api, new-api) say in ways of their own, whichever API they are asked by.
import { changed, lacking, ownWords, pass, saidOf, type VendorError } from "./account-verdicts.ts";
import type { Asked, UpstreamAnswer, Verdict } from "./provider.ts";

/**
 * LiteLLM: `key_model_access_denied`, of teams, users and other things too. As 401 in its older versions, which would lock
 * the account out (github.com/winfunc/opcode/issues/358).
 */
const deniedType = /_access_denied$/;
const deniedMessage = /^(key|team|user|project|org(anization)?) not allowed to access model/i;

/** LiteLLM's 401 for members of a body that would steer it, such as `user_config` and `api_base`: the client's own doing. */
const steeringMember = /\bis not allowed in request body/i;

/** one-api and new-api answer 503 for a model that none of their channels serves (github.com/songquanpeng/one-api/issues/1494). */
const withoutChannel = /no available channels? for|无可用(的)?渠道/i;

/** OpenRouter's 402 where credits are left, but fewer than this request may cost: a smaller one is served. */
const affordable = /but can only afford [1-9]/i;

/** LiteLLM's own budgets, as 400 or 429: of the key that the account has, or of the user that the client names. */
const budgetType = "budget_exceeded";
const budgetOfEndUser = /\bend[ _-]?user\b|\bcustomer\b/i;

/** Undefined for what every vendor says. To be asked first: a 401 or 503 of these tells nothing of the account. */
export function judgeGateway(answer: UpstreamAnswer, asked: Asked, error: VendorError): Verdict | undefined {
  const { status } = answer;
  const names = [error.type, error.code];
  if (status === 401 || status === 403) {
    const isDenied = names.some((name) => deniedType.test(name)) || deniedMessage.test(error.message);
    return isDenied || steeringMember.test(error.message) ? lacking() : undefined;
  }
  if (status === 503) {
    const lacksModel = names.includes("model_not_found") || withoutChannel.test(ownWords(error, asked));
    return lacksModel ? lacking() : undefined;
  }
  if (status === 402 && affordable.test(error.message)) {
    return changed({ state: "quota-spent", isDoubtful: true, said: saidOf(answer, error) });
  }
  if ((status !== 400 && status !== 429) || !names.includes(budgetType)) return undefined;
  return budgetOfEndUser.test(error.message) ? pass : changed({ state: "quota-spent", said: saidOf(answer, error) });
}
