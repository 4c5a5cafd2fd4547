// What every source must do, run over the registry: exact ranges of one unchanging object, and named errors without secrets.
import { inspect } from "node:util";
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { crc64Xz } from "../../../../lambdas/replication/checksums/crc64.ts";
import type { ByteRange } from "../../../../lambdas/replication/plan-parts.ts";
import { sources } from "../../../../lambdas/replication/sources/index.ts";
import type { SourceFacts } from "../../../../lambdas/replication/sources/source.ts";
import { CausewayError } from "../../../../lambdas/shared/errors.ts";
import type { FaultEffect } from "../../../../local/rig/faults.ts";
import { readAll, rejection } from "../outcomes.ts";
import { type SourceStage, sourceStages, sourceTraits } from "./source-stages.ts";

const sizeBytes = 300_007;
const content = Buffer.from(Uint8Array.from({ length: sizeBytes }, (_, index) => (index * 31 + (index >> 9)) & 0xff));
const never = new AbortController().signal;
const middle = { first: 70_000, last: 200_000 };

/** S3's stand-in knows its ranges. */
const faultsOfDownloads: readonly [string, FaultEffect, string][] = [
  ["an answer without a length", { kind: "short-body", share: 0.4, ending: "clean" }, "SourceUnavailable"],
  ["another range", { kind: "wrong-range" }, "SourceIgnoresRanges"],
  ["the whole object instead of the range", { kind: "ignore-range" }, "SourceIgnoresRanges"],
];

it("every source of the registry has a stage", () => {
  expect(Object.keys(sourceStages).sort()).toEqual(Object.keys(sources).sort());
});

describe.each(Object.entries(sources))("the source %s", (name, open) => {
  const traits = sourceTraits[name] ?? { statesCrc: false, hasLinks: false };
  /** For what only a signed link can go through, at the server that stands in for its vendor. */
  const withLinks = (sentence: string, test: () => Promise<void>) => void (traits.hasLinks && it(sentence, test));

  async function stage(): Promise<SourceStage> {
    const start = sourceStages[name];
    if (start === undefined) throw new Error(`there is no stage for the source ${name}`);
    return start(open());
  }

  async function staged(): Promise<{ here: SourceStage; address: string; facts: SourceFacts }> {
    const here = await stage();
    const address = await here.put({ bytes: content });
    return { here, address, facts: await here.source.probe(address) };
  }

  const fault = (here: SourceStage, effect: FaultEffect) => here.faults.add({ service: here.service, effect });

  it("tells size, ETag and CRC by reading one byte", async () => {
    await using here = await stage();
    const address = await here.put({ bytes: content });
    const running = crc64Xz.start();
    running.update(content);
    expect(await here.source.probe(address)).toEqual({
      sizeBytes,
      etag: expect.stringMatching(/^".+"$/),
      crc64: traits.statesCrc ? crc64Xz.format(running.digest()) : null,
    });
    if (traits.hasLinks) expect(here.requests).toMatchObject([{ range: "bytes=0-0", bytesSent: 1 }]);
  });

  withLinks("tells that there is no CRC where the vendor states none", async () => {
    await using here = await stage();
    const address = await here.put({ bytes: content }, { statesCrc: false });
    expect(await here.source.probe(address)).toMatchObject({ sizeBytes, crc64: null });
  });

  it("brings exactly the range: the first, the middle, the last, one byte, everything", async () => {
    const { here, address, facts } = await staged();
    await using _ = here;
    const ranges: readonly ByteRange[] = [
      { first: 0, last: 9999 },
      middle,
      { first: 290_000, last: sizeBytes - 1 },
      { first: sizeBytes - 1, last: sizeBytes - 1 },
      { first: 0, last: 0 },
      { first: 0, last: sizeBytes - 1 },
    ];
    for (const range of ranges) {
      const bytes = await readAll(await here.source.open(address, range, facts, never));
      expect(bytes.equals(content.subarray(range.first, range.last + 1)), JSON.stringify(range)).toBe(true);
    }
  });

  it("brings any range of any object", async () => {
    const { here, address, facts } = await staged();
    await using _ = here;
    const anyRange = fc.tuple(fc.nat(sizeBytes - 1), fc.nat(sizeBytes - 1)).map(([a, b]) => ({
      first: Math.min(a, b),
      last: Math.max(a, b),
    }));
    await fc.assert(
      fc.asyncProperty(anyRange, async (range) => {
        const bytes = await readAll(await here.source.open(address, range, facts, never));
        expect(bytes.equals(content.subarray(range.first, range.last + 1))).toBe(true);
      }),
      { numRuns: 25 },
    );
  });

  it.each([
    ["as many other bytes", Buffer.from(content).reverse()],
    ["fewer bytes", content.subarray(0, 250_000)],
  ])("notices that the object became %s, with an ETag and without", async (_, replacement) => {
    const { here, address, facts } = await staged();
    await using _stage = here;
    await here.replace({ bytes: replacement });
    await expect(here.source.open(address, middle, facts, never)).rejects.toMatchObject({ name: "SourceChanged" });
    if (replacement.length === sizeBytes) return;
    const withoutEtag = { ...facts, etag: null };
    await expect(here.source.open(address, middle, withoutEtag, never)).rejects.toMatchObject({
      name: "SourceChanged",
    });
    const beyond = { first: 260_000, last: 260_009 };
    await expect(here.source.open(address, beyond, withoutEtag, never)).rejects.toThrowError(CausewayError);
  });

  withLinks("knows an expired address, so that it can be made fresh", async () => {
    const { here, address, facts } = await staged();
    await using _ = here;
    here.expireAddresses();
    await expect(here.source.probe(address)).rejects.toMatchObject({ name: "LinkExpired", retryable: true });
    await expect(here.source.open(address, middle, facts, never)).rejects.toMatchObject({ name: "LinkExpired" });
  });

  withLinks("lets what is flowing end well when the address expires meanwhile", async () => {
    const { here, address, facts } = await staged();
    await using _ = here;
    const stream = await here.source.open(address, middle, facts, never);
    here.expireAddresses();
    expect((await readAll(stream)).length).toBe(middle.last - middle.first + 1);
  });

  it.each([0, 0.3, 0.99])("fails the stream when the body breaks off after %d of it", async (share) => {
    const { here, address, facts } = await staged();
    await using _ = here;
    fault(here, { kind: "short-body", share });
    await expect(here.source.open(address, middle, facts, never).then(readAll)).rejects.toThrow();
  });

  it("names a probe that breaks off before its only byte", async () => {
    await using here = await stage();
    const address = await here.put({ bytes: content });
    fault(here, { kind: "short-body", share: 0 });
    await expect(here.source.probe(address)).rejects.toMatchObject({ name: "SourceUnavailable" });
  });

  it.each<[string, FaultEffect, string]>([
    ...(traits.hasLinks ? faultsOfDownloads : []),
    ["a request to slow down", { kind: "throttle" }, "SourceThrottled"],
    ["an error of the vendor", { kind: "error", status: 500, code: "InternalError" }, "SourceUnavailable"],
    ["an HTML page of a gateway", { kind: "error", status: 502, code: "Html" }, "SourceUnavailable"],
    ["a reset connection", { kind: "reset" }, "SourceUnavailable"],
    ["a refusal", { kind: "error", status: 403, code: "AccessDenied" }, "SourceRefused"],
    ["an object that is gone", { kind: "error", status: 404, code: "NoSuchKey" }, "SourceChanged"],
  ])("refuses %s by name, and goes on with the next range", async (_, effect, errorName) => {
    const { here, address, facts } = await staged();
    await using _stage = here;
    fault(here, effect);
    await expect(here.source.open(address, middle, facts, never)).rejects.toMatchObject({ name: errorName });
    expect((await readAll(await here.source.open(address, middle, facts, never))).length).toBe(130_001);
  });

  withLinks("cuts the connection at once when the whole object comes instead of a range", async () => {
    await using here = await stage();
    const huge = 256 * 1024 * 1024;
    const zeros = { identity: "zeros", sizeBytes: huge, bytesAt: (_: number, length: number) => Buffer.alloc(length) };
    const address = await here.put(zeros, { statesCrc: false });
    const facts = await here.source.probe(address);
    fault(here, { kind: "ignore-range" });
    await expect(here.source.probe(address)).rejects.toMatchObject({ name: "SourceIgnoresRanges" });
    fault(here, { kind: "ignore-range" });
    await expect(here.source.open(address, middle, facts, never)).rejects.toMatchObject({
      name: "SourceIgnoresRanges",
    });
    await vi.waitFor(() => expect(here.requests).toHaveLength(3));
    // What fits into the sockets' buffers may leave; reading the answer to its end would be all of it.
    for (const { bytesSent } of here.requests) expect(bytesSent).toBeLessThan(huge / 8);
  });

  withLinks("closes the connection when the stream is destroyed", async () => {
    await using here = await stage();
    const huge = 256 * 1024 * 1024;
    const zeros = { identity: "zeros", sizeBytes: huge, bytesAt: (_: number, length: number) => Buffer.alloc(length) };
    const address = await here.put(zeros, { statesCrc: false });
    const facts = await here.source.probe(address);
    const stream = await here.source.open(address, { first: 0, last: huge - 1 }, facts, never);
    stream.destroy();
    await vi.waitFor(() => expect(here.requests).toHaveLength(2));
    expect(here.requests[1]?.bytesSent).toBeLessThan(huge / 8);
  });

  it("refuses an object of no bytes by name", async () => {
    await using here = await stage();
    const address = await here.put({ bytes: Buffer.alloc(0) });
    await expect(here.source.probe(address)).rejects.toMatchObject({ name: "EmptyBackup" });
  });

  it("says so when nobody answers", async () => {
    const { here, address, facts } = await staged();
    await here.shutDown();
    await expect(here.source.probe(address)).rejects.toMatchObject({ name: "SourceUnavailable" });
    await expect(here.source.open(address, middle, facts, never)).rejects.toMatchObject({ name: "SourceUnavailable" });
  });

  it("gives up with the caller's own reason when it is aborted: before, while waiting, while flowing", async () => {
    const { here, address, facts } = await staged();
    await using _ = here;
    const reason = new Error("the Lambda's time is used up");
    await expect(here.source.open(address, middle, facts, AbortSignal.abort(reason))).rejects.toBe(reason);

    const waiting = new AbortController();
    fault(here, { kind: "delay", milliseconds: 3_600_000 });
    const opening = here.source.open(address, middle, facts, waiting.signal);
    await vi.waitFor(() => expect(here.faults.fired).toHaveLength(1));
    waiting.abort(reason);
    await expect(opening).rejects.toBe(reason);

    const flowing = new AbortController();
    const stream = await here.source.open(address, middle, facts, flowing.signal);
    flowing.abort(reason);
    await expect(readAll(stream)).rejects.toThrow();
    expect(stream.destroyed).toBe(true);
  });

  withLinks("puts no secret of the address into any error, its cause or its details", async () => {
    const { here, address, facts } = await staged();
    const effects: readonly FaultEffect[] = [
      { kind: "throttle" },
      { kind: "error", status: 500, code: "InternalError" },
      { kind: "error", status: 403, code: "SignatureDoesNotMatch" },
      { kind: "error", status: 502, code: "Html" },
      { kind: "reset" },
      { kind: "expire-link" },
      { kind: "ignore-range" },
      { kind: "wrong-range" },
      { kind: "short-body", share: 0.5 },
      { kind: "short-body", share: 0.5, ending: "clean" },
    ];
    const errors: Error[] = [];
    for (const effect of effects) {
      fault(here, effect);
      errors.push(await rejection(here.source.open(address, middle, facts, never).then(readAll)));
    }
    here.faults.clear();
    const forged = address.replace(/Signature=[^&]*/, "Signature=forged");
    errors.push(await rejection(here.source.open(forged, middle, facts, never)));
    await here.replace({ bytes: content.subarray(1) });
    errors.push(await rejection(here.source.open(address, middle, facts, never)));
    await here.shutDown();
    errors.push(await rejection(here.source.open(address, middle, facts, never)));

    const secrets = [...here.secretsOf(address), "forged"];
    expect(secrets.length).toBeGreaterThan(1);
    for (const error of errors) {
      const shown = [error.message, error.stack, inspect(error, { depth: 8, showHidden: true })].join("\n");
      for (const secret of secrets) expect(shown).not.toContain(secret);
    }
  });
});
