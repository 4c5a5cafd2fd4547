// Tests of where the relay's key is found, and of the query that goes on without it.
import { describe, expect, test } from "vitest";
import { queryWithoutKeys, readKeyText } from "../../../lambdas/relay/read-key-text.ts";

const key = "cwk_abcdefghijkl0123";
const read = (headers: Record<string, string>, query = "") => readKeyText({ headers, query });

describe("the key's text", () => {
  test.each([
    ["x-api-key", { "x-api-key": key }, ""],
    ["a bearer token", { authorization: `Bearer ${key}` }, ""],
    ["a bearer token in small letters", { authorization: `bearer  ${key} ` }, ""],
    ["authorization alone", { authorization: key }, ""],
    ["api-key", { "api-key": key }, ""],
    ["x-goog-api-key", { "x-goog-api-key": key }, ""],
    ["the query", {}, `alt=sse&key=${key}`],
    ["a header that came twice", { authorization: `Bearer sk-ant-oat, Bearer ${key}` }, ""],
  ])("is read from %s", (_where, headers, query) => {
    expect(read(headers as Record<string, string>, query)).toBe(key);
  });

  test("is the one with Causeway's prefix, wherever the other one stands", () => {
    expect(read({ "x-api-key": "sk-ant-other", authorization: `Bearer ${key}` })).toBe(key);
    expect(read({ "x-api-key": key, authorization: "Bearer sk-ant-other" })).toBe(key);
    expect(read({ authorization: "Bearer ya29.google" }, `key=${key}`)).toBe(key);
  });

  test("is what is there, where nothing has the prefix; and nothing, where nothing is there", () => {
    expect(read({ authorization: "Bearer sk-other" })).toBe("sk-other");
    expect(read({})).toBeUndefined();
    expect(read({ authorization: "Bearer " })).toBeUndefined();
    expect(read({ "x-api-key": "x".repeat(501) })).toBeUndefined();
  });
});

test("a query goes upstream as it was, without its keys, however their name is written", () => {
  expect(queryWithoutKeys(`alt=sse&key=${key}&a=%20b+c`)).toBe("alt=sse&a=%20b+c");
  expect(queryWithoutKeys(`%6Bey=${key}&access_token=ya29&beta=true`)).toBe("beta=true");
  expect(queryWithoutKeys(`KEY=${key}`)).toBe("");
  expect(queryWithoutKeys("%E0%A4%A=1&x=2")).toBe("%E0%A4%A=1&x=2");
});
