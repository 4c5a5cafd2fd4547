// The key pair of every inventory, run over the registry: rotated, refused, missing, out of reach, and never in a message.
import { inspect } from "node:util";
import { beforeEach, describe, expect, it } from "vitest";
import { inventories } from "../../../../lambdas/replication/inventories/index.ts";
import { CausewayError } from "../../../../lambdas/shared/errors.ts";
import type { FaultEffect } from "../../../../local/rig/faults.ts";
import { calmRandom } from "../calm-random.ts";
import { rejection } from "../outcomes.ts";
import { add, failEverything, idsOf, list, startInventory } from "./inventory-listing.ts";
import { firstKeys } from "./inventory-stages.ts";

beforeEach(calmRandom);

describe.each(Object.keys(inventories))("the key pair of the inventory %s", (name) => {
  const next = { accessKeyId: "LTAInext", accessKeySecret: "the-next-secret" };

  it("reads it once for many calls", async () => {
    await using here = await startInventory(name);
    await list(here);
    await list(here);
    expect(here.secretReads()).toBe(1);
  });

  it("goes on when it is rotated while running", async () => {
    await using here = await startInventory(name);
    const backupId = await add(here);
    await list(here);
    await here.keep(JSON.stringify(next));
    here.issueKeys(next);
    expect(idsOf(await list(here))).toEqual([backupId]);
    expect(here.secretReads()).toBe(2);
  });

  it("goes on when only the secret half changed", async () => {
    await using here = await startInventory(name);
    const backupId = await add(here);
    await list(here);
    const renewed = { ...firstKeys, accessKeySecret: "another-secret" };
    await here.keep(JSON.stringify(renewed));
    here.issueKeys(renewed);
    expect(idsOf(await list(here))).toEqual([backupId]);
  });

  it("says that the vendor refused it, and reads it once more but not again and again", async () => {
    await using here = await startInventory(name);
    here.issueKeys(next);
    await expect(list(here)).rejects.toMatchObject({ name: "SourceRefused", retryable: false });
    expect(here.secretReads()).toBe(2);
  });

  it.each([
    ["is not there", null],
    ["is no JSON", "LTAI:the-secret-half"],
    ["lacks a half", JSON.stringify({ accessKeyId: "LTAI" })],
    ["has an empty half", JSON.stringify({ accessKeyId: "LTAI", accessKeySecret: "" })],
  ])("says what to do when it %s, without repeating it", async (_, secret) => {
    await using here = await startInventory(name);
    await here.keep(secret);
    const error = await rejection(list(here));
    expect(error).toMatchObject({ name: "SecretMissing", retryable: false });
    expect(error.message).toContain("causeway secrets set aliyun");
    expect(error.message).not.toContain("the-secret-half");
  });

  it("blames the place where it is kept when that place fails, and not the vendor", async () => {
    await using here = await startInventory(name);
    const failSecret = (effect: FaultEffect, times: number) =>
      here.secretFaults.add({ service: "secretsmanager", effect, times });
    failSecret({ kind: "throttle" }, 2);
    await list(here);
    await here.keep(JSON.stringify(next));
    here.issueKeys(next);
    failSecret({ kind: "error", status: 500, code: "InternalServiceError" }, 1000);
    await expect(list(here)).rejects.toMatchObject({ name: "AwsUnavailable", retryable: true });
    here.secretFaults.clear();
    failSecret({ kind: "error", status: 400, code: "AccessDeniedException" }, 1000);
    // AWS says the same of a secret that is not there.
    await expect(list(here)).rejects.toMatchObject({ name: "SecretMissing", retryable: false });
  });

  it("puts neither half into any error", async () => {
    await using here = await startInventory(name);
    const errors: Error[] = [];
    const effects: readonly FaultEffect[] = [
      { kind: "error", status: 403, code: "Forbidden.RAM" },
      { kind: "error", status: 400, code: "SignatureDoesNotMatch" },
      { kind: "error", status: 502, code: "Html" },
      { kind: "throttle" },
      { kind: "reset" },
    ];
    for (const effect of effects) {
      failEverything(here, effect);
      errors.push(await rejection(list(here)));
      here.faults.clear();
    }
    here.issueKeys(next);
    errors.push(await rejection(list(here)));
    for (const error of errors) {
      expect(error).toBeInstanceOf(CausewayError);
      const shown = [error.message, error.stack, JSON.stringify(error)].join("\n");
      expect(shown).not.toContain(firstKeys.accessKeyId);
      // The secret half is nowhere, the causes included.
      expect(shown + inspect(error, { depth: 12, showHidden: true })).not.toContain(firstKeys.accessKeySecret);
    }
  });
});
