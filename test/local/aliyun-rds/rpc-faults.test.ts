// The RPC endpoint misbehaving on demand, and how the official client shows each case to its caller.
import * as rds from "@alicloud/rds20140815";
import { expect, test } from "vitest";
import type { FaultEffect } from "../../../local/rig/faults.ts";
import { aliyunFixture, rejectionOf } from "./aliyun-fixture.ts";

const request = new rds.DescribeBackupsRequest({ DBInstanceId: "rm-bp1" });

async function rejectionUnder(effect: FaultEffect) {
  await using fixture = await aliyunFixture();
  fixture.aliyun.addInstance({ instanceId: "rm-bp1", engine: "MySQL", engineVersion: "8.0" });
  fixture.faults.add({ service: "aliyun-rds", operation: "DescribeBackups", resourceIncludes: "rm-bp1", effect });
  const rejection = await rejectionOf(fixture.client().describeBackups(request));
  // The fault hits once: the next call goes through.
  await fixture.client().describeBackups(request);
  return rejection;
}

test("throttling is a ThrottlingError", async () => {
  expect(await rejectionUnder({ kind: "throttle" })).toMatchObject({
    name: "ThrottlingError",
    code: "Throttling.User",
  });
});

test("an unavailable service is a ServerError", async () => {
  const effect = { kind: "error", status: 503, code: "ServiceUnavailable" } as const;
  expect(await rejectionUnder(effect)).toMatchObject({ name: "ServerError", code: "ServiceUnavailable", status: 503 });
});

test("a load balancer's HTML page is a bare SyntaxError", async () => {
  const rejection = await rejectionUnder({ kind: "error", status: 502, code: "Html" });
  expect(rejection).toMatchObject({ name: "SyntaxError", code: undefined, status: undefined });
});

test("a failure after the work, a reset, a late reset and a cut body all reach the caller", async () => {
  expect(await rejectionUnder({ kind: "fail-after-work" })).toMatchObject({ code: "InternalError", status: 500 });
  expect(await rejectionUnder({ kind: "reset" })).toMatchObject({ code: "ECONNRESET" });
  expect(await rejectionUnder({ kind: "reset-after-work" })).toMatchObject({ code: "ECONNRESET" });
  await expect(rejectionUnder({ kind: "short-body", share: 0.5 })).resolves.toBeDefined();
});

test("a fault that this service cannot do is an error that says so", async () => {
  const rejection = await rejectionUnder({ kind: "kill", atCall: 1, when: "before" });
  expect(rejection).toMatchObject({ code: "InternalError", status: 500 });
  expect(rejection.message).toContain("kill");
});

test("a delay passes in cloud time", async () => {
  await using fixture = await aliyunFixture({}, { skipIdle: true });
  fixture.aliyun.addInstance({ instanceId: "rm-bp1", engine: "MySQL", engineVersion: "8.0" });
  const before = fixture.clock.now();
  fixture.faults.add({ service: "aliyun-rds", effect: { kind: "delay", milliseconds: 600_000 } });
  await fixture.client().describeBackups(request);
  expect(fixture.clock.now() - before).toBeGreaterThanOrEqual(600_000);
});

test("Config.retryOptions retries what it names, with a fresh nonce each time", async () => {
  await using fixture = await aliyunFixture();
  fixture.aliyun.addInstance({ instanceId: "rm-bp1", engine: "MySQL", engineVersion: "8.0" });
  fixture.faults.add({ service: "aliyun-rds", times: 2, effect: { kind: "throttle" } });
  const retrying = fixture.client({
    retryOptions: {
      retryable: true,
      noRetryCondition: [],
      retryCondition: [
        {
          maxAttempts: 3,
          exception: ["ThrottlingError"],
          errorCode: [],
          backoff: { policy: "Fixed", getDelayTime: () => 1 },
        },
      ],
    },
  });
  const { statusCode } = await retrying.describeBackups(request);
  expect(statusCode).toBe(200);
  expect(fixture.faults.fired).toHaveLength(2);
});

test("Config.readTimeout ends a call that hangs", async () => {
  await using fixture = await aliyunFixture();
  fixture.faults.add({ service: "aliyun-rds", effect: { kind: "delay", milliseconds: 3_600_000 } });
  const impatient = fixture.client({ readTimeout: 100, connectTimeout: 1000 });
  expect(await rejectionOf(impatient.describeBackups(request))).toMatchObject({ name: "RequestTimeoutError" });
});
