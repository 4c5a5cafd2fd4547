// A body that came compressed, or is large, is only read for somebody who holds a key: a stranger's 30 KB would be a gigabyte.
import { expect, it } from "vitest";
import { hashClientKey, makeClientKey } from "../../../../lambdas/relay/ledger/client-key.ts";
import type { LedgerKey } from "../../../../lambdas/relay/ledger/ledger.ts";
import type { Arrival, ServingPorts } from "../../../../lambdas/relay/serving/ports.ts";
import { serveRequest } from "../../../../lambdas/relay/serving/serve-request.ts";

const { keyId, text } = makeClientKey(new Uint8Array(64).fill(7));
const stranger = makeClientKey(new Uint8Array(64).fill(8));

/** Whether it is looked at shows in the refusal: it is not gzip at all. */
const body = Buffer.from("no gzip");

async function statusFor(key: string | undefined, { fresh = true, plain }: { fresh?: boolean; plain?: Buffer } = {}) {
  const holder = {
    keyId,
    isDeleted: false,
    secrets: { [hashClientKey("pepper", text)]: null },
  } as unknown as LedgerKey;
  const former = { ...holder, secrets: {} } as LedgerKey;
  const ports = {
    now: Date.now,
    pepper: async () => "pepper",
    keys: {
      key: async (asked: string, isFresh: boolean) => ({
        key: asked !== keyId ? undefined : isFresh || fresh ? holder : former,
        isFresh,
      }),
    },
    telemetry: { unknownKey: async () => undefined, failure: () => undefined },
  } as unknown as ServingPorts;
  const headers = {
    ...(plain === undefined && { "content-encoding": "gzip" }),
    ...(key !== undefined && { authorization: `Bearer ${key}` }),
  };
  const arrival: Arrival = {
    ...{ requestId: "r", method: "POST", path: "/v1/chat/completions", query: "", headers, body: plain ?? body },
    ...{ sourceIp: "203.0.113.1", endsAt: Date.now() + 900_000 },
  };
  const served = await serveRequest(arrival, ports);
  await served.settled;
  return served.status;
}

it("is not looked at for nobody, and not for a stranger whose key is well formed", async () => {
  expect(await statusFor(undefined)).toBe(401);
  expect(await statusFor("cwk_nonsense")).toBe(401);
  expect(await statusFor(stranger.text)).toBe(401);
});

it("is looked at for the holder of a key, also of one that was rotated a moment ago", async () => {
  expect(await statusFor(text)).toBe(400);
  expect(await statusFor(text, { fresh: false })).toBe(400);
});

it("is looked at for nobody else either where it is plain and large", async () => {
  const plain = Buffer.alloc(1024 * 1024 + 1, "[");
  expect(await statusFor(undefined, { plain })).toBe(401);
  expect(await statusFor(stranger.text, { plain })).toBe(401);
  expect(await statusFor(text, { plain })).toBe(400);
  // What most clients say is read first, and its faults are told without a look into a table.
  expect(await statusFor(undefined, { plain: Buffer.from("[") })).toBe(400);
});
