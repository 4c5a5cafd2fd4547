// Charges as an accountant recomputes them: from what the upstream was told to report, however its answer was coded, cut or framed.
import { GetCommand } from "@aws-sdk/lib-dynamodb";
import fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import { findPrice } from "../../lambdas/relay/counting/find-price.ts";
import type { Platform } from "../../lambdas/relay/platform.ts";
import type { TokenUsage } from "../../lambdas/relay/token-usage.ts";
import { RelayRig, type RigKey } from "./relay-rig.ts";

const multiplierThousandths = 1337;
const runs = 80;

const models = { anthropic: "claude-opus-5-5", openai: "gpt-5", gemini: "gemini-2.5-pro" } as const;
const forms = ["messages", "chat", "responses", "generate", "generate-array"] as const;
type Form = (typeof forms)[number];

const platformOf = (form: Form): Platform =>
  form === "messages" ? "anthropic" : form.startsWith("generate") ? "gemini" : "openai";

let rig: RelayRig;
let key: RigKey;

beforeAll(async () => {
  rig = await RelayRig.start();
  for (const platform of ["anthropic", "openai", "gemini"] as const) await rig.addAccount(platform);
  key = await rig.addKey({ multiplierThousandths });
});

afterAll(async () => {
  await rig?.close();
});

function ask(form: Form, stream: boolean): Promise<Response> {
  const messages = [{ role: "user", content: "Hi" }];
  const contents = [{ parts: [{ text: "Hi" }] }];
  const method = stream ? `streamGenerateContent${form === "generate" ? "?alt=sse" : ""}` : "generateContent";
  const generate = [`/v1beta/models/${models.gemini}:${method}`, { contents }] as const;
  const [path, body] = {
    messages: ["/v1/messages", { model: models.anthropic, max_tokens: 9000, messages, stream }] as const,
    chat: ["/v1/chat/completions", { model: models.openai, messages, stream }] as const,
    responses: ["/v1/responses", { model: models.openai, input: "Hi", stream }] as const,
    ...{ generate, "generate-array": generate },
  }[form];
  const headers = { authorization: `Bearer ${key.text}`, "anthropic-version": "2023-06-01" };
  return fetch(rig.url + path, { method: "POST", headers, body: JSON.stringify(body) });
}

/** In nano-USD × a million × a thousand, and then up to the next whole nano-USD. */
function chargeFor(form: Form, usage: Omit<TokenUsage, "serverTools">): number {
  const platform = platformOf(form);
  const price = findPrice([], { platform, model: models[platform], now: rig.now() });
  if (price === undefined) throw new Error("there is no price");
  const { inputTokens, cacheWrite5mTokens, cacheWrite1hTokens, cacheReadTokens, outputTokens } = usage;
  const input = inputTokens + cacheWrite5mTokens + cacheWrite1hTokens + cacheReadTokens;
  const { longContext } = price;
  const rates = longContext && input > longContext.aboveInputTokens ? longContext.rates : price.rates;
  const parts: (readonly [number, number])[] = [
    [inputTokens, rates.input],
    [cacheWrite5mTokens, rates.cacheWrite5m],
    [cacheWrite1hTokens, rates.cacheWrite1h],
    [cacheReadTokens, rates.cacheRead],
    [outputTokens, rates.output],
  ];
  const sum = parts.reduce((total, [tokens, rate]) => total + BigInt(tokens) * BigInt(rate), 0n);
  return Number((sum * BigInt(multiplierThousandths) + 999_999_999n) / 1_000_000_000n);
}

const answers = fc.record({
  form: fc.constantFrom(...forms),
  stream: fc.boolean(),
  input: fc.nat(300_000),
  written5m: fc.nat(2000),
  written1h: fc.nat(2000),
  read: fc.nat(50_000),
  said: fc.integer({ min: 1, max: 5000 }),
  thought: fc.nat(4000),
  encoding: fc.constantFrom(undefined, "gzip" as const, "br" as const, "zstd" as const, "deflate" as const),
  pieceBytes: fc.constantFrom(undefined, 1, 7, 100),
  unknownEvents: fc.boolean(),
  comments: fc.boolean(),
});

it("are what was reported, to the nano-dollar, and what the key has used is their sum", async () => {
  await fc.assert(
    fc.asyncProperty(answers, async ({ form, stream, encoding, pieceBytes, unknownEvents, comments, ...counts }) => {
      const writes = form === "messages";
      const usage = {
        inputTokens: counts.input,
        cacheWrite5mTokens: writes ? counts.written5m : 0,
        cacheWrite1hTokens: writes ? counts.written1h : 0,
        cacheReadTokens: counts.read,
        outputTokens: counts.said + counts.thought,
        reasoningTokens: counts.thought,
      };
      rig.cloud.aiUpstream.clear();
      rig.cloud.aiUpstream.script(
        {},
        {
          ...{ usage, unknownEvents, comments: comments && stream, text: "It is what it is. ".repeat(8) },
          ...(encoding !== undefined && { encoding }),
          ...(pieceBytes !== undefined && { split: { everyBytes: pieceBytes } }),
        },
      );
      const answer = await ask(form, stream);
      const said = await answer.text();
      expect(answer.status, said).toBe(200);
      const record = await rig.record(answer.headers.get("x-causeway-request-id"));
      expect(record).toMatchObject({ outcome: "ok", usageSource: "reported", usage: { ...usage, serverTools: {} } });
      expect(record.chargedNanoUsd).toBe(chargeFor(form, usage));
      expect(record.overrunNanoUsd).toBe(Math.max(0, record.chargedNanoUsd - record.reservedNanoUsd));
    }),
    { numRuns: runs, endOnFailure: true },
  );
  const TableName = rig.cloud.output("RelayKeysTableName");
  await rig.until("everything is settled", async () => {
    const get = new GetCommand({ TableName, Key: { pk: `key#${key.keyId}` }, ConsistentRead: true });
    const { Item } = await rig.documents.send(get);
    const charged = (await rig.recordsOf(key)).reduce((sum, { chargedNanoUsd }) => sum + chargedNanoUsd, 0);
    return Object.keys(Item?.L ?? {}).length === 0 && Item?.u.total === charged ? Item : undefined;
  });
});
