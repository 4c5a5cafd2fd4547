// A process of the relay benchmark: the provider that all contestants send to, the local cloud's own stand-in.
import { type AiUpstream, startAiUpstream } from "../../local/ai-upstream/ai-upstream.ts";
import type { Behaviour } from "../../local/ai-upstream/behaviour.ts";
import { answerAsks } from "./asking.ts";

export interface UpstreamAddress {
  /** Anthropic's API, without `/v1`. */
  readonly baseUrl: string;
  /** Keys of as many accounts as were asked for. */
  readonly keys: readonly string[];
}

let upstream: AiUpstream | undefined;

const asks = { start, behave };
export type UpstreamAsks = typeof asks;
answerAsks(asks);

async function start({ accounts }: { readonly accounts: number }): Promise<UpstreamAddress> {
  upstream = await startAiUpstream({ mostKept: 0 });
  const { issueKey } = upstream;
  const keys = Array.from({ length: accounts }, (_, index) => issueKey("anthropic", `bench-${index}`));
  return { baseUrl: upstream.baseUrl("anthropic"), keys };
}

/** From now on every call is answered so. */
function behave(behaviour: Behaviour): void {
  upstream?.clear();
  upstream?.script({}, behaviour);
}
