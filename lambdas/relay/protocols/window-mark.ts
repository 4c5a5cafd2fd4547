// Window mark: Claude Code's own `[1m]` behind a model's name, for a large context window. It takes the mark off before it asks.
import { membersOf } from "../wire/json-members.ts";
import type { UpstreamMessage } from "./protocol.ts";
import type { RequestBody } from "./request-body.ts";

/** Some versions repeat it. */
const windowMark = /(\[1m\])+$/i;

/**
 * The model without the mark, and the message with that model in its body. The check of its auto mode forgets to take it off
 * (2.1.220, anthropics/claude-code#81142); no model of Anthropic is called so, and with the 404 every tool is blocked. A
 * compressed body goes on decoded. The same message where there is no mark.
 */
export function withoutWindowMark(
  asked: string,
  message: UpstreamMessage,
  { bytes }: RequestBody,
): { readonly model: string; readonly upstream: UpstreamMessage } {
  const model = asked.replace(windowMark, "");
  const member = model === asked ? undefined : membersOf(bytes).find(({ name }) => name === "model");
  if (member === undefined || model === "") return { model: asked, upstream: message };
  const { "content-encoding": _, ...headers } = message.headers;
  const body = Buffer.concat([
    bytes.subarray(0, member.valueStart),
    Buffer.from(JSON.stringify(model)),
    bytes.subarray(member.valueEnd),
  ]);
  return { model, upstream: { ...message, headers, body } };
}
