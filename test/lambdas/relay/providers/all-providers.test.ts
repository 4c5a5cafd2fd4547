// What every provider of the registry holds: own credentials alone go upstream, nothing of the account comes back.
import { describe, expect, it } from "vitest";
import * as z from "zod";
import { type ProviderName, providerNamed, providers } from "../../../../lambdas/relay/providers/index.ts";
import type { Provider } from "../../../../lambdas/relay/providers/provider.ts";
import { transports } from "../../../../lambdas/relay/transports/index.ts";
import { accountOf, answerOf, callOf, now, platformOf, settingsOf } from "./sample-calls.ts";

const names = Object.keys(providers) as ProviderName[];
const credential = { apiKey: "sk-own-1234567890" };
const asked = { model: "some-model", family: "some-family" };

async function load(name: string): Promise<Provider> {
  const provider = await providerNamed(name);
  if (provider === undefined) throw new Error(`${name} is not registered`);
  return provider;
}

describe("the registry", () => {
  it("knows no other names, not even those that every object has", () => {
    expect(["bedrock", "toString", "__proto__", ""].map((name) => providerNamed(name))).toEqual(
      Array(4).fill(undefined),
    );
  });

  it("gives the same provider each time", async () => {
    expect(await providerNamed("anthropic")).toBe(await providerNamed("anthropic"));
  });
});

describe.each(names)("provider %s", (name) => {
  it("has its registry's name, its platform, and schemas from which forms can be made", async () => {
    const provider = await load(name);
    expect(provider).toMatchObject({ name, platform: platformOf[name] });
    for (const schema of [provider.credential, provider.settings]) {
      const { properties = {} } = z.toJSONSchema(schema, { io: "input" });
      for (const [field, property] of Object.entries(properties)) {
        expect(property, field).toMatchObject({
          title: expect.stringMatching(/\w/),
          description: expect.stringMatching(/\w/),
        });
      }
    }
    const { properties = {} } = z.toJSONSchema(provider.credential, { io: "input" });
    expect(properties).toMatchObject({ apiKey: { writeOnly: true }, proxyPassword: { writeOnly: true } });
  });

  it.each([
    ["nothing", {}],
    ["a line break", { apiKey: "sk-own-123\r\nx-evil: 1" }],
    ["a space", { apiKey: "sk own 1234567" }],
    ["something else", { apiKey: "sk-own-1234567890", password: "x" }],
  ])("takes no credential with %s", async (_what, wrong) => {
    expect((await load(name)).credential.safeParse(wrong).success).toBe(false);
  });

  it("takes no setting that it does not know", async () => {
    const { settings } = await load(name);
    expect(settings.safeParse(settingsOf[name]).success).toBe(true);
    expect(settings.safeParse({ ...settingsOf[name], other: 1 }).success).toBe(false);
  });

  it("sends the client's headers and bytes as they are, with the account's own credential", async () => {
    const provider = await load(name);
    const call = callOf(platformOf[name], {
      query: "beta=true",
      headers: {
        "content-type": "application/json",
        "anthropic-version": "2026-10-21",
        "anthropic-beta": "a,b",
        "x-new": "ü",
      },
    });
    const request = provider.prepare(call, accountOf(name), credential);
    expect(request.body).toBe(call.upstream.body);
    expect(request.method).toBe("POST");
    expect(request.url).toMatch(/\?beta=true$/);
    expect(request.headers).toMatchObject({
      "anthropic-version": "2026-10-21",
      "anthropic-beta": "a,b",
      "x-new": "ü",
      "accept-encoding": "identity",
      "user-agent": "causeway",
    });
    expect(JSON.stringify(request.headers)).toContain(credential.apiKey);
    expect(request.url).not.toContain(credential.apiKey);
  });

  it("leaves out a header that HTTP cannot carry, instead of failing", async () => {
    const call = callOf(platformOf[name], { headers: { "x-name": "名", "x-line": "a\nb", "x-good": "1" } });
    const { headers } = (await load(name)).prepare(call, accountOf(name), credential);
    expect(headers).not.toHaveProperty("x-name");
    expect(headers).not.toHaveProperty("x-line");
    expect(headers["x-good"]).toBe("1");
  });

  it("goes to no path with dots in it", async () => {
    const provider = await load(name);
    for (const path of ["/v1/models/../files", "/v1/models/%2e%2E/files", "/v1/./models"]) {
      expect(() => provider.prepare(callOf(platformOf[name], { path }), accountOf(name), credential)).toThrow(
        expect.objectContaining({ name: "NotFound" }),
      );
    }
  });

  it("sends a path that HTTP can carry, whatever the gateway has decoded: no client makes an account look unreachable", async () => {
    const provider = await load(name);
    const path = "/v1/models/a b\u540d\u{1f600}\ud800?c#d%2Fe";
    const { url } = provider.prepare(callOf(platformOf[name], { path }), accountOf(name), credential);
    expect(url).toMatch(/\/models\/a%20b%E5%90%8D%F0%9F%98%80%EF%BF%BD%3Fc%23d%2Fe(\?|$)/);
  });

  it("lets no header of the account through, and none of the transport", async () => {
    const provider = await load(name);
    for (const header of [
      "anthropic-organization-id",
      "anthropic-ratelimit-requests-remaining",
      "anthropic-ratelimit-unified-status",
      "anthropic-workspace-id",
      "openai-organization",
      "openai-project",
      "x-ratelimit-remaining-tokens",
      "x-codex-primary-used-percent",
      "set-cookie",
      "cf-ray",
      "cf-cache-status",
      "server",
      "via",
      "alt-svc",
      "location",
      "www-authenticate",
      "strict-transport-security",
      "x-envoy-upstream-service-time",
      "transfer-encoding",
      "content-encoding",
      "content-length",
      "connection",
      "retry-after",
      "access-control-allow-origin",
      "server-timing",
    ]) {
      expect(provider.passHeader(header), header).toBe(false);
    }
    expect(provider.passHeader("content-type")).toBe(true);
  });

  it.each([200, 201, 204])("passes %s", async (status) => {
    expect((await load(name)).judge(answerOf(status), asked, now)).toEqual({ kind: "pass" });
  });

  it.each([400, 404, 405, 409, 413, 415, 422, 501])(
    "passes an error about the request, %s, whatever its body",
    async (status) => {
      const provider = await load(name);
      for (const body of [
        "",
        "<html>",
        "null",
        "[]",
        { error: null },
        { error: { type: "invalid_request_error", message: "messages: bad" } },
      ]) {
        expect(provider.judge(answerOf(status, body), asked, now)).toEqual({ kind: "pass" });
      }
    },
  );

  it("knows an account that is not let in", async () => {
    const verdict = (await load(name)).judge(answerOf(401, { error: { message: "no" } }), asked, now);
    expect(verdict).toMatchObject({ change: { state: "unauthorised" }, refusal: { name: "UpstreamFailed" } });
    expect(verdict).not.toHaveProperty("change.family");
  });

  it.each([
    [408, "failing", "UpstreamTimeout", true],
    [429, "rate-limited", "AccountsLimited", true],
    [500, "failing", "UpstreamFailed", true],
    [502, "failing", "UpstreamFailed", false],
    [503, "overloaded", "UpstreamOverloaded", true],
    [504, "failing", "UpstreamTimeout", true],
    [520, "failing", "UpstreamFailed", false],
    [524, "failing", "UpstreamTimeout", true],
    [529, "overloaded", "UpstreamOverloaded", true],
    [307, "failing", "UpstreamFailed", false],
  ])("takes %s for %s, and the client hears %s", async (status, state, refusal, isOfFamily) => {
    const verdict = (await load(name)).judge(answerOf(status, "", { "retry-after": "30" }), asked, now);
    expect(verdict).toMatchObject({ change: { state }, refusal: { name: refusal } });
    if (isOfFamily) expect(verdict).toMatchObject({ change: { family: "some-family" } });
    else expect(verdict).not.toHaveProperty("change.family");
    if (status !== 307) expect(verdict).toMatchObject({ change: { until: now + 30_000 } });
    // On some requests servers break, or work for too long; a limit, an overload and a redirect are the account's own.
    const isDoubtful = state === "failing" && status !== 307;
    expect(verdict.kind === "account" && (verdict.change?.isDoubtful ?? false)).toBe(isDoubtful);
  });

  it.each([
    [503, { message: "当前分组 default 下对于模型 some-model 无可用渠道", type: "one_api_error" }],
    [
      503,
      { message: "No available channel for model some-model under group vip (distributor)", type: "new_api_error" },
    ],
    [503, { message: "not here", code: "model_not_found" }],
    [401, { message: "key not allowed to access model. Tried to access some-model", type: "key_model_access_denied" }],
    [403, { message: "no", type: "team_model_access_denied", code: "403" }],
    [
      401,
      { message: "Authentication Error, Rejected Request: user_config is not allowed in request body.", code: "401" },
    ],
  ])(
    "takes a gateway's %i for what was asked: no client takes the account from the others: %j",
    async (status, error) => {
      const verdict = (await load(name)).judge(answerOf(status, { error }), asked, now);
      expect(verdict).toMatchObject({ kind: "account", refusal: { name: "NoAccount" } });
      expect(verdict).not.toHaveProperty("change");
    },
  );

  it("does not take credits for spent on the word of one key that asked for more than is left", async () => {
    const provider = await load(name);
    const verdictOf = (left: number) => {
      const message = `This request requires more credits, or fewer max_tokens. You requested up to 65536 tokens, but can only afford ${left}.`;
      return provider.judge(answerOf(402, { error: { message, code: 402 } }), asked, now);
    };
    expect(verdictOf(3919)).toMatchObject({ change: { state: "quota-spent", isDoubtful: true } });
    expect(verdictOf(0)).toMatchObject({ change: { state: "quota-spent" } });
    expect(verdictOf(0)).not.toHaveProperty("change.isDoubtful");
  });

  it("takes no word of the model's name for a gateway's own", async () => {
    const error = { message: "The model 无可用渠道 is overloaded." };
    const verdict = (await load(name)).judge(answerOf(503, { error }), { model: "无可用渠道" }, now);
    expect(verdict).toMatchObject({ change: { state: "overloaded" } });
  });

  it.each([400, 429])(
    "knows as %i a gateway's budget for the account's own key, not one for the client's user",
    async (status) => {
      const provider = await load(name);
      const spent = {
        message: "Budget has been exceeded! Current cost: 5.0, Max budget: 1.0",
        type: "budget_exceeded",
      };
      expect(provider.judge(answerOf(status, { error: spent }), asked, now)).toMatchObject({
        change: { state: "quota-spent" },
        refusal: { name: "AccountsLimited" },
      });
      const ofUser = { message: "ExceededBudget: End User=u over budget. Spend=2", type: "budget_exceeded" };
      expect(provider.judge(answerOf(status, { error: ofUser }), asked, now)).toEqual({ kind: "pass" });
    },
  );

  it("takes a 403 that it does not know, and errors in a stream, for what the request itself may have done", async () => {
    const provider = await load(name);
    const unknown = provider.judge(answerOf(403, "<html>Forbidden</html>"), asked, now);
    const streamed = provider.judgeStreamed({ type: "something_new", message: "" }, asked, now);
    for (const verdict of [unknown, streamed]) {
      expect(verdict).toMatchObject({ change: { state: "failing", isDoubtful: true } });
    }
  });

  it("takes a limit for the whole account's where nobody knows the model's family", async () => {
    const verdict = (await load(name)).judge(answerOf(429, {}), { model: "x" }, now);
    expect(verdict).toMatchObject({ change: { state: "rate-limited" } });
    expect(verdict).not.toHaveProperty("change.family");
  });

  it("never repeats a key, nor what a vendor left of one", async () => {
    const provider = await load(name);
    const secrets = [
      "sk-proj-abcdef1234567890",
      "sk-ant-api03-abc_DEF-123",
      "AIzaSyA1234567890abcdefgh",
      "sk-ab***wxyz",
      "a1".repeat(20),
    ];
    for (const secret of secrets) {
      const verdict = provider.judge(
        answerOf(401, { error: { message: `Incorrect API key provided: ${secret}.` } }),
        asked,
        now,
      );
      expect(JSON.stringify(verdict)).not.toContain(secret);
      expect(verdict).toMatchObject({ change: { said: expect.stringContaining("Incorrect API key provided") } });
    }
  });

  it("keeps of what was said 500 characters, in one line", async () => {
    const verdict = (await load(name)).judge(
      answerOf(500, { error: { message: `a\nb ${"word ".repeat(500)}` } }),
      asked,
      now,
    );
    expect(verdict).toMatchObject({ change: { said: expect.stringMatching(/^[^\n]{400,500}$/) } });
  });

  it("tells the client nothing of what was said to the account", async () => {
    const provider = await load(name);
    for (const status of [401, 402, 403, 429, 500, 503, 529]) {
      const verdict = provider.judge(
        answerOf(status, { error: { message: "organisation Acme's very own words" } }),
        asked,
        now,
      );
      if (verdict.kind === "account") expect(verdict.refusal.message).not.toMatch(/acme/i);
      else expect.unreachable(`${status} passed`);
    }
  });

  it("has a probe that carries its credential and is a whole request", async () => {
    const probe = (await load(name)).probe(accountOf(name), credential);
    expect(probe.url).toMatch(/^https:\/\//);
    expect(JSON.stringify(probe.headers)).toContain(credential.apiKey);
    expect(probe.url).not.toContain(credential.apiKey);
  });

  it("sends the mapped model, and the very same bytes around it", async () => {
    const provider = await load(name);
    const platform = platformOf[name];
    const call = callOf(platform, {
      body: Buffer.from(`{ "a" : 1e400, "model":"${callOf(platform).model}" , "b":[ ]}`),
    });
    const request = provider.prepare(
      call,
      accountOf(name, { modelMapping: { [call.model]: "other-model" } }),
      credential,
    );
    expect(request.body.toString()).toBe('{ "a" : 1e400, "model":"other-model" , "b":[ ]}');
    if (platform === "gemini") expect(request.url).toMatch(/\/models\/other-model:generateContent$/);
  });

  it("cannot be called before its address is checked", async () => {
    const provider = await load(name);
    const inside = accountOf(name, { settings: { ...settingsOf[name], baseUrl: "https://169.254.169.254" } });
    const parsed = provider.settings.safeParse(inside.settings);
    // Anthropic and OpenAI have no address to set.
    if (!parsed.success) return;
    const limits = { connectMilliseconds: 1000, firstByteMilliseconds: 1000, silenceMilliseconds: 1000 };
    const request = provider.prepare(callOf(platformOf[name]), inside, credential);
    await expect(transports["node-http"]({ allowLoopback: false }).send(request, { limits })).rejects.toMatchObject({
      kind: "refused-address",
    });
  });
});
