// The WeCom robot's stand-in and the webhook receivers, over HTTP.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { findFreeRow } from "../../../local/free-ports.ts";
import { Clock } from "../../../local/rig/clock.ts";
import { Faults } from "../../../local/rig/faults.ts";
import { startWecom, type WecomStandIn } from "../../../local/wecom/wecom-stand-in.ts";

let folder: string;
let clock: Clock;
let faults: Faults;
let wecom: WecomStandIn;

beforeEach(async () => {
  folder = mkdtempSync(`${tmpdir()}/wecom-`);
  clock = new Clock();
  faults = new Faults();
  wecom = await startWecom({ clock, faults, stateDirectory: folder });
});
afterEach(async () => {
  await wecom.close();
  clock.close();
  rmSync(folder, { recursive: true });
});

async function post(body: object | string, url = wecom.webhookUrl()) {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  // A restart in between would break a connection that is kept alive.
  const answer = await fetch(url, { method: "POST", body: text, headers: { connection: "close" } });
  return { status: answer.status, ...((await answer.json()) as { errcode: number; errmsg: string }) };
}
const say = (content: string, url?: string) => post({ msgtype: "text", text: { content } }, url);
const shout = (content: string) => post({ msgtype: "markdown", markdown: { content } });

describe("a robot", () => {
  test("puts text and markdown into its group", async () => {
    expect(await post({ msgtype: "text", text: { content: "好", mentioned_list: ["@all"] } })).toEqual({
      status: 200,
      errcode: 0,
      errmsg: "ok",
    });
    await shout('<font color="warning">late</font>');
    await say("elsewhere", wecom.webhookUrl("second"));
    const at = expect.stringMatching(/^\d{4}-/);
    expect(wecom.messages).toEqual([
      { robot: "robot", at, msgtype: "text", content: "好", mentioned: ["@all"] },
      { robot: "robot", at, msgtype: "markdown", content: '<font color="warning">late</font>', mentioned: [] },
      { robot: "second", at, msgtype: "text", content: "elsewhere", mentioned: [] },
    ]);
  });

  test("counts bytes, not letters: 2,048 of text and 4,096 of markdown", async () => {
    const cut = (bytes: number) => "好".repeat(Math.floor(bytes / 3)) + "x".repeat(bytes % 3);
    expect((await say(cut(2048))).errcode).toBe(0);
    expect((await shout(cut(4096))).errcode).toBe(0);
    expect(await say(cut(2049))).toMatchObject({
      status: 200,
      errcode: 40_058,
      errmsg: expect.stringContaining("text.content exceed max length 2048. invalid Request Parameter, hint: ["),
    });
    expect((await shout(cut(4097))).errmsg).toContain("markdown.content exceed max length 4096");
    expect(wecom.messages).toHaveLength(2);
  });

  test("takes twenty messages in a minute, each robot for itself", async () => {
    for (let sent = 0; sent < 20; sent += 1) expect((await say(String(sent))).errcode).toBe(0);
    expect(await say("one too many")).toMatchObject({ status: 200, errcode: 45_009 });
    expect((await say("other", wecom.webhookUrl("second"))).errcode).toBe(0);
    clock.advance(61_000);
    expect((await say("later")).errcode).toBe(0);
    expect(wecom.messages.map(({ content }) => content)).not.toContain("one too many");
  });

  test.each<[string, object | string, number]>([
    ["a kind it does not know", { msgtype: "image", image: {} }, 40_008],
    ["nothing to say", { msgtype: "text", text: { content: "" } }, 44_004],
    ["no content", { msgtype: "text", text: {} }, 40_058],
    ["no JSON", "{", 47_001],
  ])("refuses %s", async (_name, body, errcode) => {
    expect(await post(body)).toMatchObject({ status: 200, errcode });
  });

  test("is known by its key, which survives a restart and ends with the robot", async () => {
    await wecom.close();
    const port = await findFreeRow(1);
    wecom = await startWecom({ clock, faults, stateDirectory: folder, port });
    const url = wecom.webhookUrl();
    expect((await say("x", `${url}0`)).errcode).toBe(93_000);
    await say("kept", url);
    await wecom.close();
    wecom = await startWecom({ clock, faults, stateDirectory: folder, port });
    expect(wecom.webhookUrl()).toBe(url);
    expect(wecom.messages).toMatchObject([{ content: "kept" }]);
    wecom.removeRobot("robot");
    expect(await say("x", url)).toMatchObject({
      errcode: 93_000,
      errmsg: expect.stringMatching(/^invalid webhook url, hint: .*query\?e=93000$/),
    });
  });

  test("misbehaves when the rig asks for it", async () => {
    const rule = { service: "wecom", operation: "SendMessage", resourceIncludes: "robot" };
    faults.add(
      { ...rule, effect: { kind: "throttle" } },
      { ...rule, fromCall: 2, effect: { kind: "error", status: 200, code: "-1" } },
      { ...rule, fromCall: 3, effect: { kind: "error", status: 502, code: "Bad Gateway" } },
      { ...rule, fromCall: 4, effect: { kind: "reset-after-work" } },
    );
    expect((await say("1")).errcode).toBe(45_009);
    expect((await say("2")).errcode).toBe(-1);
    const third = await fetch(wecom.webhookUrl(), { method: "POST", body: "{}" });
    expect([third.status, await third.text()]).toEqual([502, "Bad Gateway\n"]);
    await expect(say("4")).rejects.toThrow("fetch failed");
    expect(wecom.messages.map(({ content }) => content)).toEqual(["4"]);
  });
});

describe("a webhook", () => {
  test("records what it got and answers as it was told", async () => {
    const url = wecom.receiverUrl("ops room");
    const call = (body: string) => fetch(url, { method: "POST", body, headers: { "X-Signature": "abc" } });
    expect((await call("1")).status).toBe(200);
    wecom.answer("ops room", { status: 503, headers: { "retry-after": "7" }, body: "later" });
    const refused = await call("2");
    expect([refused.status, refused.headers.get("retry-after"), await refused.text()]).toEqual([503, "7", "later"]);
    expect(wecom.received("ops room")).toMatchObject([
      { receiver: "ops room", method: "POST", body: "1", status: 200, headers: { "x-signature": "abc" } },
      { body: "2", status: 503 },
    ]);
    expect(wecom.received("other")).toEqual([]);
    faults.add({ service: "webhook", operation: "ops room", effect: { kind: "throttle" } });
    expect((await call("3")).status).toBe(429);
    expect(wecom.received()).toHaveLength(2);
    expect((await fetch(`${wecom.url}/elsewhere`)).status).toBe(404);
  });
});
