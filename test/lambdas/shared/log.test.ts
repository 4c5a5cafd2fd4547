// The log: one JSON line per fact, and whatever was put into it, no signed link and no token comes out.
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { CausewayError } from "../../../lambdas/shared/errors.ts";
import { log } from "../../../lambdas/shared/log.ts";
import { redact } from "../../../lambdas/shared/redact.ts";
import { type CapturedOutput, captureOutput } from "./captured-output.ts";

let output: CapturedOutput;

beforeEach(() => {
  output = captureOutput();
});

afterEach(() => {
  vi.restoreAllMocks();
});

/** What stands in base64 and hexadecimal signatures, escaped for a URL. */
const secret = fc
  .string({
    unit: fc.constantFrom(..."abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/"),
    minLength: 16,
    maxLength: 60,
  })
  .map((text) => `${text}=`);

const parameters = [
  "Signature",
  "OSSAccessKeyId",
  "security-token",
  "SecurityToken",
  "x-oss-signature",
  "x-oss-credential",
  "x-oss-security-token",
  "X-Amz-Signature",
  "X-Amz-Credential",
  "X-Amz-Security-Token",
] as const;

const signedLink = fc
  .record({
    secret,
    parameter: fc.constantFrom(...parameters),
    isFirst: fc.boolean(),
    isLast: fc.boolean(),
    path: fc.constantFrom("custins1/a.xb", "备份/a b", "a.xb"),
  })
  .map(({ secret: hidden, parameter, isFirst, isLast, path }) => ({
    hidden,
    link:
      `https://rdsbak.oss-cn-hangzhou.aliyuncs.com/${encodeURIComponent(path)}?` +
      `${isFirst ? "" : "Expires=1795115400&"}${parameter}=${encodeURIComponent(hidden)}${isLast ? "" : "&Expires=1795115400"}`,
  }));

/** How a link is quoted by those who tell of it. */
const quotings: readonly ((link: string) => string)[] = [
  (link) => link,
  (link) => `GET ${link} failed`,
  (link) => `cannot read "${link}", giving up`,
  (link) => JSON.stringify({ url: link }),
  (link) => JSON.stringify({ url: link }).replaceAll("&", "\\u0026").replaceAll("=", "\\u003d"),
  (link) => `<Message>${link.replaceAll("&", "&amp;")}</Message>`,
  (link) => `https://proxy/?to=${encodeURIComponent(link)}`,
  (link) => `one ${link}\nand once more ${link}`,
];

const quoted = fc.tuple(signedLink, fc.constantFrom(...quotings)).map(([{ hidden, link }, quote]) => ({
  hidden,
  text: quote(link),
}));

/** Where in a line's fields a text may stand. */
const placings: readonly ((text: string) => Record<string, unknown>)[] = [
  (text) => ({ address: text }),
  (text) => ({ nested: { deeper: [{ address: text }] } }),
  (text) => ({ list: ["x", text] }),
  (text) => ({ error: new Error(text) }),
  (text) => ({ error: new Error("outer", { cause: new Error(text) }) }),
  (text) => ({ error: Object.assign(new TypeError("Invalid URL"), { input: text }) }),
  (text) => ({ error: new CausewayError("SourceRefused", text, { details: { said: text } }) }),
  (text) => ({ url: URL.canParse(text) ? new URL(text) : text }),
  (text) => ({ deep: { deep: { deep: { deep: { deep: { deep: { deep: text } } } } } } }),
];

function expectHidden(text: string, hidden: string): void {
  for (const form of [hidden, encodeURIComponent(hidden), encodeURIComponent(encodeURIComponent(hidden))]) {
    expect(text).not.toContain(form);
  }
}

describe("the log", () => {
  it("writes one JSON line for each fact, with its level, message and fields", () => {
    log.info("backups listed", { copyCount: 3, nested: { list: [1, true, null, "x"] } });
    log.warn("progress was not written", { error: new Error("throttled") });
    log.error("it failed", { error: "SourceChanged", retryable: false });
    expect(output.lines()).toMatchObject([
      { level: "INFO", message: "backups listed", copyCount: 3, nested: { list: [1, true, null, "x"] } },
      { level: "WARN", message: "progress was not written", error: "Error: throttled" },
      { level: "ERROR", message: "it failed", error: "SourceChanged", retryable: false },
    ]);
  });

  it("never shows a signed link, wherever it was put and however it was quoted", () => {
    fc.assert(
      fc.property(
        quoted,
        fc.constantFrom(...placings),
        fc.constantFrom("info", "warn", "error"),
        (given, place, level) => {
          output.clear();
          log[level](given.text, place(given.text));
          expect(output.lines()).toHaveLength(1);
          expectHidden(output.text(), given.hidden);
        },
      ),
      { numRuns: 400 },
    );
  });

  it("leaves out what nests without end, instead of failing", () => {
    const cyclic: Record<string, unknown> = { name: "cyclic" };
    cyclic.self = cyclic;
    log.info("odd", { cyclic });
    expect(output.lines()).toMatchObject([{ message: "odd", cyclic: { name: "cyclic" } }]);
  });
});

describe("the message of an error", () => {
  it("never holds a signed link, so that no workflow's history, event or table gets one", () => {
    fc.assert(
      fc.property(quoted, ({ hidden, text }) => {
        const error = new CausewayError("SourceUnavailable", `could not read: ${text}`);
        expectHidden(`${error.message}${error.stack}`, hidden);
        expect(error.message.startsWith("could not read: ")).toBe(true);
      }),
    );
  });
});

describe("redaction", () => {
  it("keeps what is no secret: host, path, expiry, the names of the parameters", () => {
    const link = "https://host/a%20b.xb?Expires=1795115400&OSSAccessKeyId=LTAI&Signature=abc%3D";
    expect(redact(`GET ${link} said no.`)).toBe(
      "GET https://host/a%20b.xb?Expires=1795115400&OSSAccessKeyId=(hidden)&Signature=(hidden) said no.",
    );
  });

  it("hides a token that a canonical request quotes, and changes nothing the second time", () => {
    const quote = 'x-acs-action:DescribeBackups\nx-acs-security-token:CAIS/secret\n"x-amz-security-token": "IQoJ"';
    const hidden = redact(quote);
    expect(hidden).not.toMatch(/CAIS|IQoJ/);
    expect(hidden).toContain("x-acs-action:DescribeBackups");
    expect(redact(hidden)).toBe(hidden);
  });

  it("leaves any other text as it is", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (text) => {
        fc.pre(!/signature|accesskeyid|amz|oss|acs|token/i.test(text));
        expect(redact(text)).toBe(text);
      }),
    );
  });
});
