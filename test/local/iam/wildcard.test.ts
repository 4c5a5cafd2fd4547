// Patterns as IAM writes them: what names one thing, and what names many.
import { describe, expect, it } from "vitest";
import { arnPattern, wildcard } from "../../../local/iam/wildcard.ts";

describe("a pattern", () => {
  it.each([
    ["s3:GetObject", "s3:GetObject", true],
    ["s3:GetObject", "s3:GetObjects", false],
    ["s3:GetObject", "s3:getobject", false],
    ["s3:Get*", "s3:GetObject", true],
    ["a.c", "abc", false],
    ["a?c", "abc", true],
    ["*", "", true],
  ])("%s and %s: %s", (pattern, text, expected) => {
    expect(wildcard(pattern)(text)).toBe(expected);
  });

  it.each([
    ["S3:getobject", "s3:GetObject", true],
    ["S3:getobject", "s3:GetObjecT ", false],
    ["S3:get*", "s3:GetObject", true],
    ["S3:getobject", "s3:PutObject", false],
  ])("%s and %s without regard to case: %s", (pattern, text, expected) => {
    expect(wildcard(pattern, "i")(text)).toBe(expected);
  });

  it("of an ARN does not cross a colon before the last part", () => {
    const matches = arnPattern("arn:aws:sns:*:1:topic*");
    expect(matches("arn:aws:sns:us-east-1:1:topic:more")).toBe(true);
    expect(matches("arn:aws:sns:us-east-1:2:1:topic")).toBe(false);
  });
});
