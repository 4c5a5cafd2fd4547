// Renaming a model: its name changes wherever a vendor reads it, and nothing else does.
import { brotliCompressSync, gzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { UpstreamMessage } from "../../../../lambdas/relay/protocols/protocol.ts";
import { renameBodyModel, renameGeminiModel } from "../../../../lambdas/relay/providers/rename-model.ts";

function messageOf(body: string | Buffer, changes: Partial<UpstreamMessage> = {}): UpstreamMessage {
  return { method: "POST", path: "/v1/messages", query: "", headers: {}, body: Buffer.from(body), ...changes };
}

const renamed = (body: string, model = "new") => renameBodyModel(messageOf(body), model).body.toString();

describe("a body", () => {
  it.each([
    ['{"model":"old"}', '{"model":"new"}'],
    ['\n{ "a":"\\"model\\":1", "model" :\t"old" }', '\n{ "a":"\\"model\\":1", "model" :\t"new" }'],
    [
      '{"x":{"model":"inner"},"model":"old","y":[{"model":"inner"}]}',
      '{"x":{"model":"inner"},"model":"new","y":[{"model":"inner"}]}',
    ],
    ['{"mod\\u0065l":"old"}', '{"mod\\u0065l":"new"}'],
    ['{"model":"old","n":12345678901234567890.00}', '{"model":"new","n":12345678901234567890.00}'],
    ['{"model":"a","model":"b"}', '{"model":"new","model":"new"}'],
  ])("%s", (before, after) => {
    expect(renamed(before)).toBe(after);
  });

  it("writes odd names as JSON does", () => {
    expect(JSON.parse(renamed('{"model":"old"}', 'a"b\\c$&'))).toEqual({ model: 'a"b\\c$&' });
  });

  it("keeps every other byte, whatever is around", () => {
    const object = fc.dictionary(
      fc.string().filter((name) => name !== "model" && name !== "__proto__"),
      fc.jsonValue(),
    );
    fc.assert(
      fc.property(object, object, fc.constantFrom("", "  ", "\n"), (before, after, space) => {
        const others = { ...before, model: "OLD", ...after };
        const text = JSON.stringify(others, undefined, space.length);
        expect(renamed(text, "NEW")).toBe(text.replace('"OLD"', '"NEW"'));
      }),
      { numRuns: 100 },
    );
  });

  it.each([
    ["gzip", gzipSync],
    ["br", brotliCompressSync],
  ])("in %s is decoded for it, and says so no more", (encoding, encode) => {
    const message = messageOf(encode('{"model":"old"}'), { headers: { "content-encoding": encoding, "x-a": "1" } });
    const { body, headers } = renameBodyModel(message, "new");
    expect(body.toString()).toBe('{"model":"new"}');
    expect(headers).toEqual({ "x-a": "1" });
  });

  it("that unfolds to more than any vendor takes is refused", () => {
    const bomb = messageOf(gzipSync(Buffer.alloc(40 * 1024 * 1024, " ")), { headers: { "content-encoding": "gzip" } });
    expect(() => renameBodyModel(bomb, "new")).toThrow(expect.objectContaining({ name: "BodyTooLarge" }));
  });

  it("without a model is refused: it would go to another model than the account allows", () => {
    expect(() => renamed('{"messages":[]}')).toThrow(expect.objectContaining({ name: "BodyInvalid" }));
  });

  it("of a question without one stays empty", () => {
    const question = messageOf("");
    expect(renameBodyModel(question, "new")).toBe(question);
  });
});

describe("Gemini", () => {
  const path = "/v1beta/models/old:streamGenerateContent";

  it.each([
    [path, "/v1beta/models/new:streamGenerateContent"],
    ["/v1/models/old:countTokens", "/v1/models/new:countTokens"],
    ["/v1beta/models/old", "/v1beta/models/old"],
    ["/v1beta/models", "/v1beta/models"],
    ["/v1beta/tunedModels/old:generateContent", "/v1beta/tunedModels/old:generateContent"],
  ])("path %s", (before, after) => {
    expect(renameGeminiModel(messageOf("", { path: before }), "new").path).toBe(after);
  });

  it("encodes what a path cannot hold", () => {
    expect(renameGeminiModel(messageOf("", { path }), "a/b$1?c").path).toBe(
      "/v1beta/models/a%2Fb%241%3Fc:streamGenerateContent",
    );
  });

  it.each([
    ['{"contents":[]}', '{"contents":[]}'],
    ['{"model":"models/old","content":{}}', '{"model":"models/new","content":{}}'],
    [
      '{"generateContentRequest":{"model":"models/old","contents":[]}}',
      '{"generateContentRequest":{"model":"models/new","contents":[]}}',
    ],
    [
      '{"requests":[{"model":"models/old","content":{"parts":[{"text":"model } {"}]}}, {"model":"old"}]}',
      '{"requests":[{"model":"models/new","content":{"parts":[{"text":"model } {"}]}}, {"model":"new"}]}',
    ],
    ['{"requests":[]}', '{"requests":[]}'],
  ])("body %s", (before, after) => {
    expect(renameGeminiModel(messageOf(before, { path }), "new").body.toString()).toBe(after);
  });

  it("leaves a compressed body alone that names no model", () => {
    const body = gzipSync('{"contents":[]}');
    const message = renameGeminiModel(messageOf(body, { path, headers: { "content-encoding": "gzip" } }), "new");
    expect(message).toMatchObject({
      path: "/v1beta/models/new:streamGenerateContent",
      headers: { "content-encoding": "gzip" },
    });
    expect(message.body.equals(body)).toBe(true);
  });
});
