// What every channel must do: say all of a message, stay within its limits, name its failures, and keep its secrets.
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { channels } from "../../../../lambdas/alerts/channels/index.ts";
import { largestDigest } from "../../../../lambdas/alerts/messages/message.ts";
import { CausewayError } from "../../../../lambdas/shared/errors.ts";
import { captureOutput } from "../../shared/captured-output.ts";
import { eventOf } from "../sample-events.ts";
import {
  chinese,
  deliveriesOf,
  english,
  harmfulMessage,
  messageFor,
  plainMessage,
  testingMessage,
} from "../sample-messages.ts";
import { type ChannelStage, stages } from "./channel-stages.ts";

it("has a stage for every channel of the registry", () => {
  expect(Object.keys(stages).sort()).toEqual(Object.keys(channels).sort());
});

const forms = Object.entries(stages).flatMap(([name, byForm]) =>
  Object.entries(byForm).map(([form, open]) => ({ title: `${name} ${form}`.trim(), open })),
);

describe.each(forms)("the channel $title", ({ open }) => {
  let stage: ChannelStage;

  beforeEach(async () => {
    stage = await open();
  });

  afterEach(async () => {
    await stage[Symbol.asyncDispose]();
    vi.restoreAllMocks();
    vi.unstubAllEnvs();
  });

  const newest = () => stage.received().at(-1) ?? "";

  it("says what happened, since when, what it means, what to do, and where to look", async () => {
    await stage.channel.send(plainMessage);
    const said = newest();
    for (const part of [
      "[dev] Critical: A backup was not copied: aliyun-rds:rm-1:101",
      "SourceChanged",
      "2026-11-20 18:00 (Asia/Shanghai)",
      "This backup is not in S3.",
      "Look up the error",
      "https://causeway.example.com/api/jobs/run-1",
      "https://git.example.com/causeway/docs/runbook.md#a-copy-failed",
    ]) {
      expect(said).toContain(part);
    }
  });

  it("says it in Chinese", async () => {
    await stage.channel.send(messageFor(eventOf("NothingNew"), chinese));
    expect(newest()).toContain("[dev] 严重：没有新的恢复点：rm-1");
    expect(newest()).toContain("数据库 rm-1 已超过 30 小时没有新的恢复点，最近一次：从未有过。");
  });

  it("marks a test as a test", async () => {
    const answer = await stage.channel.send(testingMessage);
    expect(newest()).toContain("Test message");
    expect(answer).not.toBe("");
  });

  it("stays within its limit, cuts between characters, and says that it cut", async () => {
    const endless = { ...plainMessage, lines: [{ label: "", text: "备份😀".repeat(60_000) }], cutMark: "（已截断）" };
    await stage.channel.send(endless);
    const said = newest();
    expect(Buffer.byteLength(said)).toBeLessThanOrEqual(stage.mostBytes);
    expect(said).not.toContain("\ufffd");
    if (!stage.channel.fits(endless)) expect(said).toContain("（已截断）");
  });

  it("has room for a digest of all it may hold, with the count and the rest of the names", async () => {
    const count = stage.channel.pace.mostAlertsPerMessage;
    const digest = largestDigest(deliveriesOf(count), english, (message) => stage.channel.fits(message));
    expect(stage.channel.fits(digest)).toBe(true);
    await stage.channel.send(digest);
    const said = newest();
    expect(said).toContain(`${count} alerts in one message`);
    expect(said).not.toContain("(cut)");
    const named = new Set(said.match(/mysql\/rm-1\/\d+\.xb/g)).size;
    expect(named).toBeGreaterThan(20);
    if (stage.interpreted === undefined) expect(named).toBe(count);
    else expect(named + Number(/and (\d+) more/.exec(said)?.[1] ?? 0)).toBe(count);
  });

  it("lets nobody mention people, place links or write headers through an event's texts", async () => {
    if (stage.interpreted === undefined) return;
    await stage.channel.send(harmfulMessage);
    expect(newest()).toContain("evil.example");
    expect(stage.interpreted()).not.toMatch(stage.harm ?? /./);
  });

  it("names what went wrong, so that it is decided whether to try again", async () => {
    if (stage.fail === undefined) return;
    for (const [trouble, name] of [
      ["unavailable", "ChannelUnavailable"],
      ["throttled", "ChannelThrottled"],
      ["refused", "ChannelRefused"],
    ] as const) {
      stage.fail(trouble);
      await expect(stage.channel.send(plainMessage), trouble).rejects.toMatchObject({ name });
    }
    await expect(stage.channel.send(plainMessage)).resolves.not.toBe("");
  });

  it("keeps its secrets out of answers, errors and the log", async () => {
    const output = captureOutput();
    const said: string[] = [await stage.channel.send(plainMessage)];
    for (const trouble of stage.fail === undefined ? [] : (["unavailable", "throttled", "refused"] as const)) {
      stage.fail?.(trouble);
      const error = await stage.channel.send(plainMessage).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(CausewayError);
      const { message, details } = error as CausewayError;
      said.push(message, JSON.stringify(details));
    }
    for (const secret of stage.secrets) {
      expect(said.join("\n")).not.toContain(secret);
      expect(output.text()).not.toContain(secret);
    }
  });
});
