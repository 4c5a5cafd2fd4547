// Providers and transport together against the stand-in of the three vendors: probes, refusals, limits, and what comes back.
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type ProviderName, providerNamed } from "../../../../lambdas/relay/providers/index.ts";
import type { Provider, UpstreamRequest, Verdict } from "../../../../lambdas/relay/providers/provider.ts";
import type { Account } from "../../../../lambdas/relay/scheduling/account.ts";
import { transports } from "../../../../lambdas/relay/transports/index.ts";
import { type AiUpstream, startAiUpstream } from "../../../../local/ai-upstream/ai-upstream.ts";
import type { Behaviour } from "../../../../local/ai-upstream/behaviour.ts";
import { accountOf, callOf, platformOf } from "./sample-calls.ts";

const limits = { connectMilliseconds: 20_000, firstByteMilliseconds: 20_000, silenceMilliseconds: 20_000 };
const transport = transports["node-http"]({ allowLoopback: true });
const asked = { model: "m", family: "f" };
let upstream: AiUpstream;

beforeAll(async () => {
  upstream = await startAiUpstream();
});
afterEach(() => upstream.clear());
afterAll(() => upstream.close());

describe.each<ProviderName>(["anthropic-compatible", "openai-compatible", "gemini"])("%s", (name) => {
  const platform = platformOf[name];

  async function load(): Promise<{ provider: Provider; account: Account; credential: { apiKey: string } }> {
    const provider = await providerNamed(name);
    if (provider === undefined) throw new Error(name);
    const account = accountOf(name, { settings: { baseUrl: upstream.baseUrl(platform) } });
    return { provider, account, credential: { apiKey: upstream.issueKey(platform, "one") } };
  }

  async function exchange(request: UpstreamRequest) {
    const { status, headers, body } = await transport.send(request, { limits });
    const chunks: Buffer[] = [];
    for await (const chunk of body) chunks.push(chunk);
    return { status, headers, body: Buffer.concat(chunks) };
  }

  async function ask(behaviour: Behaviour): Promise<Verdict> {
    const { provider, account, credential } = await load();
    upstream.script({}, behaviour);
    const bodies = {
      contents: [{ parts: [{ text: "hello" }] }],
      max_tokens: 10,
      messages: [{ role: "user", content: "hello" }],
    };
    const call = callOf(platform);
    const body = Buffer.from(JSON.stringify({ model: call.model, ...bodies }));
    const answer = await exchange(provider.prepare(callOf(platform, { body }), account, credential));
    return provider.judge(answer, asked, Date.now());
  }

  it("is let in with its key, and says so of a wrong one", async () => {
    const { provider, account, credential } = await load();
    expect((await exchange(provider.probe(account, credential))).status).toBe(200);
    const wrong = await exchange(provider.probe(account, { apiKey: "sk-wrong-1234567890" }));
    const verdict = provider.judge(wrong, asked, Date.now());
    expect(verdict).toMatchObject({ change: { state: "unauthorised" }, refusal: { name: "UpstreamFailed" } });
    expect(JSON.stringify(verdict)).not.toContain("sk-wrong");
  });

  it.each([true, false])("hears until when a limit holds, with retry-after or without: %s", async (retryAfter) => {
    const before = Date.now();
    const verdict = await ask({ rateLimit: { resetAfterSeconds: 120, retryAfter } });
    expect(verdict).toMatchObject({
      change: { state: "rate-limited", family: "f" },
      refusal: { name: "AccountsLimited" },
    });
    const until = verdict.kind === "account" ? (verdict.change?.until ?? 0) : 0;
    // The vendor cuts its times to whole seconds.
    expect(until).toBeGreaterThan(before + 118_000);
    expect(until).toBeLessThan(Date.now() + 122_000);
  });

  it("knows every status of its vendor", async () => {
    const states: Record<number, string | undefined> = {};
    for (const status of [400, 401, 402, 404, 413, 422, 429, 500, 503, 529]) {
      upstream.clear();
      const verdict = await ask({ error: { status } });
      states[status] = verdict.kind === "pass" ? "pass" : verdict.change?.state;
    }
    expect(states).toEqual({
      400: "pass",
      401: "unauthorised",
      402: "quota-spent",
      404: "pass",
      413: "pass",
      422: "pass",
      429: "rate-limited",
      500: "failing",
      503: "overloaded",
      529: "overloaded",
    });
  });

  it("lets nothing of the vendor's account through", async () => {
    const { provider, account, credential } = await load();
    const { headers } = await exchange(provider.probe(account, credential));
    const passed = Object.keys(headers).filter((header) => provider.passHeader(header));
    expect(passed).toContain("content-type");
    for (const header of passed)
      expect(header).toMatch(/^(content-type|cache-control|request-id|x-request-id|openai-(version|processing-ms))$/);
  });

  it.each(["gzip", "br", "zstd", "deflate"] as const)(
    "reads an error that came in %s though nobody asked for it",
    async (encoding) => {
      const verdict = await ask({ error: { status: 529 }, encoding });
      expect(verdict).toMatchObject({ change: { state: "overloaded", said: expect.stringMatching(/^HTTP 529 \w/) } });
    },
  );
});

describe("a subscription", () => {
  it.each([
    ["5h", undefined],
    ["7d_opus", "f"],
  ])("that closes its window %s is limited as far as that goes", async (window, family) => {
    const provider = await providerNamed("anthropic-compatible");
    upstream.script({}, { rateLimit: { resetAfterSeconds: 600, form: "unified", window, retryAfter: false } });
    const account = accountOf("anthropic-compatible", { settings: { baseUrl: upstream.baseUrl("anthropic") } });
    const request = provider?.prepare(callOf("anthropic"), account, { apiKey: upstream.issueKey("anthropic", "one") });
    const { status, headers, body } = await transport.send(request as UpstreamRequest, { limits });
    for await (const _chunk of body);
    const verdict = provider?.judge({ status, headers, body: Buffer.alloc(0) }, asked, Date.now());
    expect(verdict).toMatchObject({ change: { state: "rate-limited" } });
    const change = verdict?.kind === "account" ? verdict.change : undefined;
    expect(change?.family).toBe(family);
    expect((change?.until ?? 0) - Date.now()).toBeGreaterThan(590_000);
  });
});
