// The robot's own answers, and addresses that must not be called.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openWecom } from "../../../../lambdas/alerts/channels/wecom.ts";
import { redact } from "../../../../lambdas/shared/redact.ts";
import { plainMessage } from "../sample-messages.ts";
import { type HttpPlace, openPlace, robotSays, toolsFor } from "./channel-stages.ts";

let place: HttpPlace;

beforeEach(async () => {
  place = await openPlace(robotSays(0, "ok"));
});

afterEach(async () => {
  await place.close();
});

const robot = (url: string, changes: Parameters<typeof toolsFor>[1] = {}) =>
  openWecom({ name: "wecom", type: "wecom", format: "markdown" }, toolsFor({ url }, changes));

describe("a WeCom robot", () => {
  it.each([
    [45009, "ChannelThrottled"],
    [45033, "ChannelThrottled"],
    [-1, "ChannelUnavailable"],
    [93000, "ChannelRefused"],
    [40058, "ChannelRefused"],
    [40008, "ChannelRefused"],
  ])("decides by errcode, whatever the status: %i is %s", async (errcode, name) => {
    place.next.push(robotSays(errcode, "said so"));
    await expect(robot(`${place.url}/?key=k`).send(plainMessage)).rejects.toMatchObject({
      name,
      message: `errcode ${errcode}: said so`,
    });
  });

  it.each([
    ["HTTP 500", { status: 500, body: "" }, "ChannelUnavailable"],
    ["a page instead of an answer", { status: 200, body: "<html>" }, "ChannelUnavailable"],
    ["no errcode", { status: 200, body: "{}" }, "ChannelUnavailable"],
    ["a list", { status: 200, body: "[]" }, "ChannelUnavailable"],
    ["HTTP 404", { status: 404, body: "" }, "ChannelRefused"],
    ["a redirect", { status: 302, headers: { location: "http://127.0.0.1:1/" } }, "ChannelRefused"],
    ["a broken connection", "reset", "ChannelUnavailable"],
  ] as const)("is told apart from what is none: %s", async (_why, answer, name) => {
    place.next.push(answer);
    await expect(robot(`${place.url}/?key=k`).send(plainMessage)).rejects.toMatchObject({ name });
  });

  it("is called neither over http nor inside, unless the stage is a laptop's", async () => {
    for (const url of [`${place.url}/?key=k`, "https://10.0.0.1/?key=k", "https://169.254.169.254/"]) {
      await expect(robot(url, { allowLoopback: false }).send(plainMessage)).rejects.toMatchObject({
        name: "AddressRefused",
      });
    }
    expect(place.calls).toEqual([]);
  });

  it("has its key hidden in whatever text its address stands in, in logs and errors", () => {
    const said = redact(
      'POST "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=693a-secret" failed; then send%3Fkey%3D693a',
    );
    expect(said).toBe(
      'POST "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=(hidden)" failed; then send%3Fkey%3D693a',
    );
  });

  it("has its address read again once it was refused", async () => {
    const forgotten: string[] = [];
    place.next.push(robotSays(93000, "invalid webhook url"));
    const channel = robot(`${place.url}/?key=k`, { forgetAddress: (name) => void forgotten.push(name) });
    await channel.send(plainMessage).catch(() => undefined);
    expect(forgotten).toEqual(["wecom"]);
    await channel.send(plainMessage);
    expect(forgotten).toEqual(["wecom"]);
  });
});
