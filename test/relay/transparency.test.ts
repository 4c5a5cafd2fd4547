// What goes through the relay unchanged: the client's bytes to the provider and the provider's to the client, however they
// are cut; and what must not go through: keys, and the provider's headers that tell of the account.
import { gzipSync } from "node:zlib";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { Behaviour } from "../../local/ai-upstream/behaviour.ts";
import { RelayRig, type RigKey } from "./relay-rig.ts";

let rig: RelayRig;
let key: RigKey;

beforeAll(async () => {
  rig = await RelayRig.start();
  for (const platform of ["anthropic", "openai", "gemini"] as const) await rig.addAccount(platform);
  key = await rig.addKey();
});

afterEach(() => {
  rig.cloud.aiUpstream.clear();
  rig.faults.clear();
});

afterAll(async () => {
  await rig?.close();
});

interface Case {
  readonly path: string;
  readonly headers: (key: string) => Readonly<Record<string, string>>;
  readonly body: object;
}

/** The stand-in knows the first one, which goes with a field of the body; nobody knows the second. */
const betas = "context-management-2025-06-27,b-2";
const anthropic = (key: string) => ({
  "x-api-key": key,
  "anthropic-version": "2023-06-01",
  "anthropic-beta": betas,
});
const bearer = (key: string) => ({ authorization: `Bearer ${key}` });
const messages = [{ role: "user", content: "Say hi, 你好." }];

const cases: Readonly<Record<string, Case>> = {
  "Anthropic JSON": {
    path: "/v1/messages?beta=true",
    headers: anthropic,
    body: { model: "claude-opus-4-5", max_tokens: 90, messages, context_management: { edits: [] } },
  },
  "Anthropic stream": {
    path: "/claude/v1//messages",
    headers: anthropic,
    body: { model: "claude-opus-4-5", max_tokens: 90, stream: true, messages },
  },
  "chat stream": {
    path: "/openai/v1/chat/completions",
    headers: bearer,
    body: { model: "gpt-5.5", stream: true, stream_options: { include_usage: true }, messages },
  },
  "responses stream": {
    path: "/v1/responses",
    headers: bearer,
    body: { model: "gpt-5.5", stream: true, input: "Say hi." },
  },
  "Gemini stream": {
    path: "/gemini/v1beta/models/gemini-3.5-flash:streamGenerateContent?alt=sse",
    headers: (text) => ({ "x-goog-api-key": text }),
    body: { contents: [{ role: "user", parts: [{ text: "Say hi." }] }] },
  },
};

function send({ path, headers, body }: Case, bytes: BodyInit = JSON.stringify(body), more: object = {}) {
  return fetch(rig.url + path, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers(key.text), ...more },
    body: bytes,
  });
}

const shapes: readonly Behaviour[] = [
  { split: { everyBytes: 1 } },
  { split: { everyBytes: 7 }, unknownFields: true },
  { split: { everyBytes: 64 }, unknownEvents: true, comments: true },
  { encoding: "gzip", split: { everyBytes: 3 } },
];

describe.each(Object.entries(cases))("%s", (_, each) => {
  it.each(shapes)("comes as it was sent, shaped as %j", async (shape) => {
    rig.cloud.aiUpstream.script({}, { outputTokens: 30, events: 8, ...shape });
    const answer = await send(each);
    const bytes = Buffer.from(await answer.arrayBuffer());
    const request = rig.cloud.aiUpstream.requests.at(-1);
    expect(answer.status, bytes.toString()).toBe(200);
    expect(bytes.toString()).toBe(request?.answer()?.body.toString());
    expect(request?.rawBody.toString()).toBe(JSON.stringify(each.body));
    expect(request?.mentions(key.text)).toBe(false);
    expect(answer.headers.get("content-encoding")).toBeNull();
    const headers = JSON.stringify([...answer.headers]);
    expect(headers).not.toMatch(/organization|set-cookie|cf-ray/i);
    const record = await rig.record(answer.headers.get("x-causeway-request-id"));
    expect(record).toMatchObject({ outcome: "ok", usageSource: "reported" });
  });
});

describe("a request", () => {
  it("that is compressed is understood, and goes on as it came", async () => {
    const each = cases["Anthropic JSON"] as Case;
    const bytes = gzipSync(JSON.stringify(each.body));
    const answer = await send(each, bytes, { "content-encoding": "gzip" });
    expect(answer.status).toBe(200);
    const request = rig.cloud.aiUpstream.requests.at(-1);
    expect(request?.rawBody.equals(bytes)).toBe(true);
    expect(request?.headers).toMatchObject({ "content-encoding": "gzip", "anthropic-beta": betas });
    const record = await rig.record(answer.headers.get("x-causeway-request-id"));
    expect(record.modelAsked).toBe("claude-opus-4-5");
  });

  it("of more than the relay takes is refused in the client's language, and nothing is sent", async () => {
    const each = cases["chat stream"] as Case;
    const answer = await send(each, JSON.stringify({ ...each.body, padding: "x".repeat(4_600_000) }));
    expect(answer.status).toBe(413);
    expect(await answer.json()).toMatchObject({ error: { message: expect.stringMatching(/4,?500,?000/) } });
    expect(rig.cloud.aiUpstream.requests).toHaveLength(0);
  });

  it("for what a later version will do is a 501 by name, in the protocol's form", async () => {
    const answer = await fetch(`${rig.url}/v1/messages/batches`, {
      method: "POST",
      headers: { ...anthropic(key.text), "content-type": "application/json" },
      body: "{}",
    });
    expect(answer.status).toBe(501);
    expect(await answer.json()).toMatchObject({ type: "error", error: { message: expect.stringMatching(/batch/i) } });
  });

  it("while the tables are away is a 503, never a 401", async () => {
    rig.faults.add({
      service: "dynamodb",
      times: 10_000,
      effect: { kind: "error", status: 500, code: "InternalServerError" },
    });
    const other = await fetch(`${rig.url}/v1/messages`, {
      method: "POST",
      headers: { ...anthropic(key.text), "content-type": "application/json" },
      body: JSON.stringify((cases["Anthropic JSON"] as Case).body),
    });
    expect(other.status).toBe(503);
    expect(await other.json()).toMatchObject({
      type: "error",
      error: { type: expect.stringMatching(/api_error|overloaded_error/) },
    });
  });
});

describe("HEAD and hello", () => {
  it.each(["/", "/api/hello", "/claude/api/hello"])("%s is answered without a key", async (path) => {
    expect((await fetch(rig.url + path, { method: "HEAD" })).status).toBe(200);
  });
});
