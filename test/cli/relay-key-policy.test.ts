// A policy from the words of a command: what cannot be meant is refused here, with its cure.
import { describe, expect, it } from "vitest";
import { type PolicyOptions, policyChange } from "../../cli/commands/relay-key-policy.ts";

describe("the policy that a command asks for", () => {
  it("holds what was given, in the API's units, and nothing else", () => {
    expect(
      policyChange({ perDay: "0", waiting: "2.5,4", address: ["203.0.113.7", "10.0.0.0/8", "2001:db8::/32"] }),
    ).toEqual({
      spend: { day: 0 },
      waiting: { longestMilliseconds: 2500, most: 4 },
      addresses: ["203.0.113.7", "10.0.0.0/8", "2001:db8::/32"],
    });
    expect(policyChange({ waiting: "none", address: ["all"], perDay: "none" })).toEqual({
      waiting: { longestMilliseconds: 0, most: 0 },
      addresses: [],
      spend: { day: null },
    });
  });

  const wrong: readonly (readonly [PolicyOptions, RegExp])[] = [
    [{ perDay: "-1" }, /--per-day -1: give 0 dollars or more, or none/],
    [{ family: ["opus.week=-1"] }, /--family opus\.week -1: give 0 dollars or more/],
    [{ family: ["opus.week=much"] }, /--family opus\.week much is no sum of dollars/],
    [{ unknownPrice: "-0.5" }, /--unknown-price -0\.5: give 0 dollars or more/],
    [{ concurrency: "none" }, /--concurrency none is no whole number/],
    [{ waiting: "10" }, /--waiting 10: give seconds and the length of the line, such as 10,5/],
    [{ waiting: "-1,5" }, /--waiting -1,5: give seconds/],
    [{ address: ["10.0.0.0/33"] }, /--address 10\.0\.0\.0\/33 is no IP address and no CIDR range/],
    [{ address: ["10.0.0.999"] }, /is no IP address/],
    [{ address: ["::1/129"] }, /is no IP address/],
    [{ address: ["office"] }, /is no IP address .*such as 203\.0\.113\.7 or 10\.0\.0\.0\/8/],
  ];
  it.each(wrong)("refuses %j", (options, sentence) => {
    expect(() => policyChange(options)).toThrow(sentence);
  });
});
