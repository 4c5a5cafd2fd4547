// Patterns of models: stars for any text, and no pattern that takes long.
import { expect, it } from "vitest";
import { matchesModel } from "../../../lambdas/relay/model-pattern.ts";

it.each([
  [["claude-opus-4-5"], "claude-opus-4-5", true],
  [["claude-opus-4-5"], "claude-opus-4-50", false],
  [["claude-*"], "claude-", true],
  [["*-mini"], "gpt-5-mini", true],
  [["*-mini"], "gpt-5-mini-2", false],
  [["gpt-*-mini", "o*"], "o3", true],
  [["a*a"], "a", false],
  [["a*b*a"], "aba", true],
  [["a*b*b"], "ab", false],
  [["*"], "", true],
  [["a.b*"], "axb", false],
  [["Claude-*"], "claude-x", false],
  [[], "anything", false],
])("%j, %s: %s", (patterns, model, expected) => {
  expect(matchesModel(patterns, model)).toBe(expected);
});

it("a pattern of a hundred stars is looked at as fast as any", () => {
  expect(matchesModel([`${"a*".repeat(100)}b`], "a".repeat(10_000))).toBe(false);
});
