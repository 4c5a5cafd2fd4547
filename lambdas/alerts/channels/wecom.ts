// A WeCom group robot: markdown or text within its byte limits, 20 messages a minute, and `errcode` decides.
// Source: "Group robots" of the WeCom developer documentation; codes as seen in public issue reports.
import { CausewayError } from "../../shared/errors.ts";
import { guardedRequest } from "../../shared/guarded-address.ts";
import { cutToBytes } from "../messages/cut-text.ts";
import type { Line, Message } from "../messages/message.ts";
import type { Channel, ChannelAddress, ChannelSettings, ChannelTools } from "./channel.ts";
import { checkStatus, mostAnswerBytes, quote, secretsOf, timeoutMilliseconds } from "./http-answer.ts";

/** Bytes of UTF-8 in `content`. */
const mostBytes = { markdown: 4096, text: 2048 } as const;

const pace = { messagesPerMinute: 20, alertsOneByOne: 5, mostAlertsPerMessage: 1_000 } as const;

/** "api freq out of limit", and the limit of calls at the same time. */
const throttledCodes = new Set([45009, 45033]);
/** "system busy". */
const unavailableCodes = new Set([-1]);

/** The robot's three colours: green, grey, orange. */
const colours = { info: "comment", warning: "warning", critical: "warning" } as const;

export function openWecom({ name, format = "markdown" }: ChannelSettings, tools: ChannelTools): Channel {
  const render = format === "markdown" ? markdown : plainText;
  const contentOf = (message: Message) => render(message);
  return {
    pace,
    fits: (message) => Buffer.byteLength(contentOf(message)) <= mostBytes[format],
    async send(message) {
      const content = cutToBytes(contentOf(message), mostBytes[format], message.cutMark);
      const address = await tools.readAddress(name);
      try {
        return await post(address, { msgtype: format, [format]: { content } }, tools.allowLoopback);
      } catch (error) {
        // Another key may have been put meanwhile.
        tools.forgetAddress(name);
        throw error;
      }
    },
  };
}

async function post({ url }: ChannelAddress, body: object, allowLoopback: boolean): Promise<string> {
  const answer = await guardedRequest(
    {
      method: "POST",
      url,
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
      timeoutMilliseconds,
      mostAnswerBytes,
    },
    { allowLoopback },
  );
  const secrets = secretsOf(url);
  checkStatus(answer, secrets);
  const { errcode, errmsg } = parseAnswer(answer.text);
  const said = `errcode ${errcode}: ${quote(errmsg, secrets)}`;
  if (errcode === 0) return said;
  if (throttledCodes.has(errcode)) throw new CausewayError("ChannelThrottled", said);
  if (unavailableCodes.has(errcode)) throw new CausewayError("ChannelUnavailable", said);
  // 93000 (no such robot), 40058 (a parameter is wrong) and whatever else it names: the same call is refused again.
  throw new CausewayError("ChannelRefused", said);
}

function parseAnswer(text: string): { errcode: number; errmsg: string } {
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch {
    answer = undefined;
  }
  const { errcode, errmsg } = (typeof answer === "object" && answer !== null ? answer : {}) as Record<string, unknown>;
  if (typeof errcode !== "number") {
    throw new CausewayError(
      "ChannelUnavailable",
      "It answered without an errcode: that was not WeCom, or not a whole answer.",
    );
  }
  return { errcode, errmsg: typeof errmsg === "string" ? errmsg : "" };
}

function markdown({ title, severity, kind, lines }: Message): string {
  const colour = kind === "recovery" ? "info" : colours[severity];
  const head = `### <font color="${colour}">${harmless(title)}</font>`;
  return [head, ...lines.map(markdownLine)].join("\n");
}

function markdownLine({ label, text, link }: Line): string {
  const said = harmless(text);
  const before = label === "" ? "" : `**${harmless(label)}** `;
  if (link === undefined) return `${before}${said}`;
  // A robot's markdown links to whole addresses alone; a path is shown as it is.
  const target = /^https?:\/\//.test(link) ? `[${said || link}](${link})` : [said, link].filter(Boolean).join(" ");
  return `${before}${target}`;
}

/**
 * What others wrote (a key, a cause) must neither mention people nor make links or fonts: a space without width is put
 * into what would.
 */
function harmless(text: string): string {
  return text
    .replace(/\s+/g, " ")
    .replace(/<(?=[@/a-z])/gi, "<\u200b")
    .replaceAll("](", "]\u200b(");
}

function plainText({ title, lines }: Message): string {
  return [harmless(title), ...lines.map(plainLine)].join("\n");
}

function plainLine({ label, text, link }: Line): string {
  return [label === "" ? "" : `${label}:`, harmless(text), link ?? ""].filter(Boolean).join(" ");
}
