// npm run synth | deploy | destroy: what the CDK's program is called with, and what is refused before.
import { describe, expect, it } from "vitest";
import { readCdkCall } from "../../scripts/cdk-stage.ts";
import { nodeComplaint } from "../../scripts/check-node.mjs";

const stages = ["dev", "local", "prod"];

describe("a call of the CDK", () => {
  it("turns --stage into context, and passes on what it does not know", () => {
    expect(readCdkCall(["deploy", "--stage", "dev", "--hotswap"], stages)).toEqual({
      stage: "dev",
      arguments: ["deploy", "--context", "stage=dev", "--all", "--hotswap"],
    });
    expect(readCdkCall(["destroy", "--stage=prod"], stages).arguments).toContain("stage=prod");
  });

  it("synthesises the laptop's stage when none is named", () => {
    expect(readCdkCall(["synth"], stages)).toEqual({
      stage: "local",
      arguments: ["synth", "--context", "stage=local", "--quiet"],
    });
  });

  it("never deploys or destroys without a named stage, nor the laptop's", () => {
    for (const command of ["deploy", "destroy"]) {
      expect(() => readCdkCall([command], stages)).toThrow(`npm run ${command} -- --stage NAME. There are dev, prod.`);
      expect(() => readCdkCall([command, "--stage", "local"], stages)).toThrow(/"npm start" runs it/);
    }
  });

  it("says what is wrong with anything else", () => {
    expect(() => readCdkCall(["deploy", "--stage"], stages)).toThrow(/--stage needs a name: dev, local, prod/);
    expect(() => readCdkCall(["bootstrap"], stages)).toThrow(/"bootstrap" is not one of synth, deploy, destroy/);
  });
});

describe("the check of Node's version", () => {
  it("has no complaint about what this project runs on", () => {
    expect(nodeComplaint("24.9.0")).toBeUndefined();
    expect(nodeComplaint("25.0.0")).toBeUndefined();
  });

  it("says which Node is needed, which one this is, and how to get it", () => {
    expect(nodeComplaint("20.20.2")).toMatch(/needs Node 24 and this is Node 20\.20\.2.*"npm ci"/);
  });
});
