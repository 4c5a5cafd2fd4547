// AWS's and the network's errors, in one sentence with the cure.
import { describe, expect, it } from "vitest";
import { errorSentence } from "../../cli/error-sentence.ts";
import { UsageProblem } from "../../cli/usage-problem.ts";

const named = (name: string, message: string) => Object.assign(new Error(message), { name });
const coded = (code: string, extra: object = {}) => Object.assign(new Error(""), { code, ...extra });

describe("the sentence for an error", () => {
  it.each([
    [
      named("AccessDenied", "User: arn:aws:iam::1:user/me is not authorized to perform: s3:GetObject"),
      /^AWS refuses this to you: User: .*s3:GetObject\. Ask for the permission/,
    ],
    [named("403", "UnknownError"), /^AWS refuses this to you: it gives no reason\. Ask for the permission/],
    [named("ExpiredToken", "The provided token has expired."), /^The AWS credentials have expired\. Sign in/],
    [
      named("CredentialsProviderError", "Could not load credentials from any providers"),
      /^No AWS credentials were found\. Sign in/,
    ],
    [named("NoSuchBucket", "The specified bucket does not exist"), /^There is no such bucket/],
    [named("SlowDown", "Please reduce your request rate."), /^AWS asks to slow down/],
    [new Error("Region is missing"), /^No AWS region is set\. Set AWS_REGION/],
    [
      coded("ENOTFOUND", { hostname: "kms.eu-x-1.amazonaws.com" }),
      /^kms\.eu-x-1\.amazonaws\.com cannot be reached: its name is not known\. Check the network and AWS_REGION\.$/,
    ],
    [
      new AggregateError([coded("ECONNREFUSED", { address: "10.0.0.1", port: 443 })], ""),
      /^10\.0\.0\.1:443 cannot be reached: nothing listens there\./,
    ],
    [new UsageProblem("Do it so."), /^Do it so\.$/],
    [new Error("Something else"), /^Something else\.$/],
  ])("%s", (error, sentence) => {
    expect(errorSentence(error)).toMatch(sentence);
  });
});
