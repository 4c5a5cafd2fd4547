// What a WeCom group robot says to a message: always HTTP 200, with an errcode and a sentence.
// Source: WeCom's page on group robots (text up to 2,048 bytes, markdown up to 4,096, 20 messages a minute) and answers
// that users of it have published (facts/replication.md 2.7).
import { z } from "zod";

export interface RobotAnswer {
  readonly errcode: number;
  readonly errmsg: string;
}

export interface RobotContent {
  readonly msgtype: "text" | "markdown";
  readonly content: string;
  /** User ids, or "@all"; text only. */
  readonly mentioned: readonly string[];
}

const mostBytes = { text: 2048, markdown: 4096 } as const;
const mostPerMinute = 20;
const minuteMilliseconds = 60_000;

const body = z.object({
  msgtype: z.string(),
  text: z
    .object({
      content: z.string(),
      mentioned_list: z.array(z.string()).default([]),
      mentioned_mobile_list: z.array(z.string()).default([]),
    })
    .optional(),
  markdown: z.object({ content: z.string() }).optional(),
});

export const accepted: RobotAnswer = { errcode: 0, errmsg: "ok" };
export const unknownKey = (now: number) => refusal(93_000, "invalid webhook url", now);
export const tooOften = (now: number) => refusal(45_009, "api freq out of limit", now);

/** The message, or the refusal that WeCom gives. */
export function readMessage(text: string, now: number): RobotContent | RobotAnswer {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return refusal(47_001, "data format error", now);
  }
  const parsed = body.safeParse(json);
  if (!parsed.success) {
    const where = parsed.error.issues[0]?.path.join(".") ?? "";
    return refusal(40_058, `${where} is invalid. invalid Request Parameter`, now);
  }
  const { msgtype } = parsed.data;
  if (msgtype !== "text" && msgtype !== "markdown") return refusal(40_008, "invalid message type", now);
  const content = parsed.data[msgtype]?.content ?? "";
  if (content === "") return refusal(44_004, "empty content", now);
  if (Buffer.byteLength(content) > mostBytes[msgtype]) {
    const sentence = `${msgtype}.content exceed max length ${mostBytes[msgtype]}. invalid Request Parameter`;
    return refusal(40_058, sentence, now);
  }
  return { msgtype, content, mentioned: msgtype === "text" ? (parsed.data.text?.mentioned_list ?? []) : [] };
}

/** Twenty accepted messages in any minute; the window slides. */
export class RateWindow {
  readonly #accepted: number[] = [];

  /** False when the message is one too many. */
  take(nowMilliseconds: number): boolean {
    while ((this.#accepted[0] ?? Number.POSITIVE_INFINITY) <= nowMilliseconds - minuteMilliseconds) {
      this.#accepted.shift();
    }
    if (this.#accepted.length >= mostPerMinute) return false;
    this.#accepted.push(nowMilliseconds);
    return true;
  }
}

function refusal(errcode: number, sentence: string, now: number): RobotAnswer {
  const hint = `hint: [${now}${String(errcode).padStart(6, "0")}], from ip: 127.0.0.1`;
  const more = `more info at https://open.work.weixin.qq.com/devtool/query?e=${errcode}`;
  return { errcode, errmsg: `${sentence}, ${hint}, ${more}` };
}
