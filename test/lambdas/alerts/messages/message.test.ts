// The words: both languages whole for every event, links that lead somewhere, times of the stage, and digests that lose nothing.
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { eventFacts, eventNames } from "../../../../lambdas/alerts/event-facts.ts";
import { cutToBytes, shortenMiddle } from "../../../../lambdas/alerts/messages/cut-text.ts";
import {
  headingAnchor as anchorOf,
  digestMessage,
  largestDigest,
} from "../../../../lambdas/alerts/messages/message.ts";
import { writerFor } from "../../../../lambdas/alerts/messages/writer.ts";
import { headingAnchor } from "../../../../lib/constructs/failure-alarm.ts";
import { eventOf, minutesLater } from "../sample-events.ts";
import { alertFor, chinese, deliveriesOf, deliveryOf, english, messageFor } from "../sample-messages.ts";

describe.each([english, chinese])("the texts in $language", (settings) => {
  it.each(eventNames)("say all there is to say of %s", (name) => {
    const { title, lines } = messageFor(eventOf(name), settings);
    expect(title).toMatch(/^\[dev\] \S/);
    expect(lines.map(({ text, link }) => text !== "" || link !== undefined)).not.toContain(false);
    expect(lines).toHaveLength(6);
    const all = [title, ...lines.map(({ text }) => text)].join("\n");
    expect(all).not.toMatch(/undefined|NaN|\[object/);
    if (settings.language === "zh-CN") expect(title).toMatch(/\p{Script=Han}/u);
    // Han texts end as Han texts do.
    else expect(lines.slice(0, 4).every(({ text }) => !/\p{Script=Han}/u.test(text))).toBe(true);
  });
});

describe("a message", () => {
  it("says since when, how often, and where the job is", () => {
    const message = messageFor(eventOf("BackupCopyFailed"), english, { count: 3, since: minutesLater(-90) });
    expect(message.lines[1]).toEqual({ label: "Since", text: "2026-11-20 16:30 (Asia/Shanghai) (3 times)" });
    expect(message.lines[4]).toEqual({
      label: "Job",
      text: "run-1",
      link: "https://causeway.example.com/api/jobs/run-1",
    });
  });

  it("links to its own record where there is no job, and by a path alone where the stage has no address", () => {
    const alert = alertFor(eventOf("NothingNew"), { alertId: "a-7" });
    const message = messageFor(alert.cause, { ...english, publicUrl: "" }, { alertId: "a-7" });
    expect(message.lines[4]?.link).toBe("/api/alerts/deliveries?alertId=a-7");
  });

  it("of a recovery says what ended it, and that nothing is to be done", () => {
    const copied = eventOf("BackupReplicated");
    const message = messageFor(copied, english, {
      kind: "recovered",
      event: "BackupCopyFailed",
      subject: "aliyun-rds:rm-1:101",
    });
    expect(message).toMatchObject({
      kind: "recovery",
      title: "[dev] Recovered: A backup was not copied: aliyun-rds:rm-1:101",
    });
    expect(message.lines[0]?.text).toContain("is in S3");
    expect(message.lines[3]?.text).toMatch(/^Nothing\./);
  });

  it("of what goes on says so", () => {
    const message = messageFor(eventOf("MirrorFailed"), chinese, { kind: "again", count: 12 });
    expect(message.title).toBe("[dev] 警告：仍在持续：对象镜像失败：mysql/rm-1/a.xb");
    expect(message.lines[1]?.text).toContain("共 12 次");
  });

  it("finds its heading as every viewer of Markdown does", () => {
    for (const name of eventNames)
      expect(anchorOf(eventFacts[name].runbook)).toBe(headingAnchor(eventFacts[name].runbook));
  });

  it("keeps a long cause short", () => {
    const message = messageFor(eventOf("BackupCopyFailed", { cause: "x".repeat(50_000) }));
    expect(message.lines[0]?.text.length).toBeLessThan(1_000);
  });
});

describe("a digest", () => {
  it("counts by severity and by kind, and names the first and the last time", () => {
    const copies = ["1", "2"].map((copyId) =>
      deliveryOf(alertFor(eventOf("BackupCopyFailed", { copyId }, minutesLater(7)))),
    );
    const recovered = deliveryOf(
      alertFor(eventOf("ObjectMirrored", {}, minutesLater(9)), {
        kind: "recovered",
        event: "MirrorFailed",
        subject: "mysql/x",
      }),
    );
    const message = digestMessage([...deliveriesOf(3), ...copies, recovered], 100, chinese);
    expect(message.title).toBe("[dev] 6 条告警合并为一条消息");
    expect(message.lines.map(({ label, text }) => `${label} ${text}`.trim())).toEqual([
      "严重 2 条，警告 3 条，通知 0 条，已恢复 1 条；时间：2026-11-20 18:00 (Asia/Shanghai) 至 2026-11-20 18:09 (Asia/Shanghai)",
      "警告：对象镜像失败 × 3 mysql/rm-1/0.xb、mysql/rm-1/1.xb、mysql/rm-1/2.xb",
      "严重：备份复制失败 × 2 1、2",
      "已恢复：对象镜像失败 × 1 mysql/x",
      "查看全部",
    ]);
  });

  it("names as many as fit, says how many more there are, and leads to all of them", () => {
    const bytes = (text: string) => Buffer.byteLength(text);
    void fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 400 }),
        fc.integer({ min: 600, max: 5_000 }),
        fc.integer({ min: 1, max: 90 }),
        (count, most, length) => {
          const deliveries = deliveriesOf(count, (index) => `${index}#${"k".repeat(length)}`);
          const size = (message: { title: string; lines: readonly { label: string; text: string; link?: string }[] }) =>
            bytes(
              [message.title, ...message.lines.map(({ label, text, link }) => `${label} ${text} ${link}`)].join("\n"),
            );
          const message = largestDigest(deliveries, english, (candidate) => size(candidate) <= most);
          const text = message.lines[1]?.text ?? "";
          const named = text.match(/\d+#k+/g)?.length ?? 0;
          const more = Number(/and (\d+) more/.exec(text)?.[1] ?? 0);
          expect(named + more).toBe(count);
          expect(message.lines[1]?.label).toContain(`× ${count}`);
          expect(message.lines.at(-1)?.link).toContain(`messageId=${message.messageId}`);
          if (named > 0) expect(size(message)).toBeLessThanOrEqual(most);
        },
      ),
      { numRuns: 40 },
    );
  });
});

describe("a text that is too long", () => {
  it("is cut to bytes, between characters, with its mark", () => {
    void fc.assert(
      fc.property(
        fc.string({ unit: "grapheme", maxLength: 200 }),
        fc.nat(300),
        fc.constantFrom("…", "（已截断）", ""),
        (text, most, mark) => {
          const cut = cutToBytes(text, most, mark);
          expect(Buffer.byteLength(cut)).toBeLessThanOrEqual(Math.max(most, 0));
          if (Buffer.byteLength(text) <= most) expect(cut).toBe(text);
          else {
            const kept = Buffer.byteLength(mark) <= most && mark !== "" ? cut.slice(0, cut.length - mark.length) : cut;
            expect(text.startsWith(kept)).toBe(true);
            expect(cut.endsWith(mark) || Buffer.byteLength(mark) > most).toBe(true);
          }
          expect(cut.isWellFormed()).toBe(text.isWellFormed());
        },
      ),
    );
  });

  it("keeps both of its ends when it is a name", () => {
    const short = shortenMiddle(`mysql/${"x".repeat(500)}/backup.xb`, 40);
    expect([...short]).toHaveLength(40);
    expect(short).toMatch(/^mysql\/x+…x+\/backup\.xb$/);
    expect(shortenMiddle("mysql/a", 40)).toBe("mysql/a");
  });
});

describe("the writer", () => {
  it("writes times in the stage's zone, and sizes in units of 1,024", () => {
    const write = writerFor({ timeZone: "America/New_York" }, "never");
    expect(write.time("2026-11-20T03:04:05.000Z")).toBe("2026-11-19 22:04 (America/New_York)");
    expect(write.time(null)).toBe("never");
    expect([0, 1023, 1024, 5_000_000_000, 2 ** 60].map((count) => write.bytes(count))).toEqual([
      "0 bytes",
      "1023 bytes",
      "1.0 KiB",
      "4.7 GiB",
      "1024.0 PiB",
    ]);
  });

  it("writes money as dollars and cents, and what is less than a cent with more decimals", () => {
    const { usd } = writerFor({ timeZone: "UTC" }, "never");
    expect([0, 4_012_345_678, 10_000_000, 1_500_000, 1_000].map(usd)).toEqual([
      "$0.00",
      "$4.01",
      "$0.01",
      "$0.001500",
      "$0.000001",
    ]);
  });
});
