// The webhook's signature, checked as a receiver would, and what its body holds.
import { createHmac, timingSafeEqual } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openWebhook } from "../../../../lambdas/alerts/channels/webhook.ts";
import { digestOf, plainMessage } from "../sample-messages.ts";
import { type HttpPlace, openPlace, toolsFor } from "./channel-stages.ts";

const secret = "a-key-of-some-length";
const now = Date.parse("2026-11-20T10:00:00.000Z");

let place: HttpPlace;

beforeEach(async () => {
  place = await openPlace({ status: 204 });
});

afterEach(async () => {
  await place.close();
});

/** As the notes on webhooks show it: the signature over timestamp and body, and no older than five minutes. */
function isGenuine({ headers, body }: HttpPlace["calls"][number], key: string, at: number): boolean {
  const timestamp = String(headers["causeway-timestamp"]);
  const expected = `v1=${createHmac("sha256", key).update(`${timestamp}.${body}`).digest("hex")}`;
  const given = String(headers["causeway-signature"]);
  const isSigned = given.length === expected.length && timingSafeEqual(Buffer.from(given), Buffer.from(expected));
  return isSigned && Math.abs(at / 1000 - Number(timestamp)) <= 300;
}

describe("a webhook", () => {
  it("is signed over its timestamp and its body", async () => {
    await openWebhook({ name: "hook", type: "webhook" }, toolsFor({ url: place.url, secret })).send(plainMessage);
    const [call] = place.calls;
    if (call === undefined) throw new Error("nothing arrived");
    expect(isGenuine(call, secret, now)).toBe(true);
    expect(isGenuine(call, "another-key-of-length", now)).toBe(false);
    expect(isGenuine({ ...call, body: `${call.body} ` }, secret, now)).toBe(false);
    expect(isGenuine({ ...call, headers: { ...call.headers, "causeway-timestamp": "1" } }, secret, now)).toBe(false);
    expect(isGenuine(call, secret, now + 600_000)).toBe(false);
  });

  it("names every alert that was folded into its message, and the same message by the same id", async () => {
    const channel = openWebhook({ name: "hook", type: "webhook" }, toolsFor({ url: place.url, secret }));
    const digest = digestOf(250);
    await channel.send(digest);
    await channel.send(digest);
    const [first, second] = place.calls.map(
      ({ body }) => JSON.parse(body) as { messageId: string; alerts: { subject: string }[] },
    );
    expect(first?.alerts).toHaveLength(250);
    expect(new Set(first?.alerts.map(({ subject }) => subject)).size).toBe(250);
    expect(second?.messageId).toBe(first?.messageId);
  });

  it.each([404, 200])(
    "keeps the key in its path out of the answer, where the receiver repeats only that: %s",
    async (status) => {
      const url = `${place.url}/hooks/T0123456/a-secret-path?token=hidden-token`;
      place.next.push({ status, body: "Cannot POST /hooks/T0123456/a-secret-path (token hidden-token)" });
      const said = await openWebhook({ name: "hook", type: "webhook" }, toolsFor({ url, secret }))
        .send(plainMessage)
        .catch((error: unknown) => String(error));
      expect(said).toContain("Cannot POST");
      expect(said).not.toMatch(/T0123456|a-secret-path|hidden-token/);
    },
  );

  it("is not called without a key for its signature", async () => {
    const channel = openWebhook({ name: "hook", type: "webhook" }, toolsFor({ url: place.url }));
    await expect(channel.send(plainMessage)).rejects.toMatchObject({ name: "SecretMissing" });
    expect(place.calls).toEqual([]);
  });

  it("does not follow a redirect, and says how long it was asked to wait", async () => {
    const channel = openWebhook({ name: "hook", type: "webhook" }, toolsFor({ url: place.url, secret }));
    place.next.push(
      { status: 307, headers: { location: place.url } },
      { status: 429, headers: { "retry-after": "120" } },
    );
    await expect(channel.send(plainMessage)).rejects.toMatchObject({ name: "ChannelRefused" });
    await expect(channel.send(plainMessage)).rejects.toMatchObject({
      name: "ChannelThrottled",
      details: { retryAfterSeconds: 120 },
    });
    expect(place.calls).toHaveLength(2);
  });
});
