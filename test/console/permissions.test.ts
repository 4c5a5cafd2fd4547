// Console's roles on the local cloud: what the API's routes need they may, and nothing is granted that none of them needs.
import { CreateSecretCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { StartExecutionCommand } from "@aws-sdk/client-sfn";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { GrantUse } from "../../local/iam/iam.ts";
import { ConsoleRig, metricsToken } from "./console-rig.ts";

/** What the local cloud does not ask for, or what only trouble needs. */
const notUsedHere = [
  / (logs|xray):/,
  // Tables are not encrypted here.
  / kms:(Decrypt|DescribeKey|Encrypt|GenerateDataKey)/,
  // Failed calls of close-job end in a queue.
  /CloseJob.* sqs:(SendMessage|GetQueueAttributes|GetQueueUrl)/,
];

let rig: ConsoleRig;

beforeAll(async () => {
  rig = await ConsoleRig.start();
  // A secret that is not there is refused, not unknown: the right is on the names of those that exist.
  const robot = { Name: "/local/alerts/wecom", SecretString: "{}" };
  await new SecretsManagerClient(rig.cloud.clientConfig()).send(new CreateSecretCommand(robot));
  const schedules = (await rig.call("/api/schedules", { as: "viewer" })).envelope.data.items as { name: string }[];
  for (const { name } of schedules) {
    const shown = await rig.call(`/api/schedules/${name}`, { as: "viewer" });
    const { enabled, expression, timeZone } = shown.envelope.data;
    const headers = { "If-Match": shown.headers.get("etag") ?? "" };
    const body = { enabled, expression, timeZone };
    const changed = await rig.call(`/api/schedules/${name}`, { method: "PUT", as: "admin", headers, body });
    expect(changed.status, changed.text).toBe(200);
  }
  for (const path of ["/api/jobs", "/api/config", "/api/ready"]) {
    expect((await rig.call(path, { as: "admin" })).status, path).toBe(200);
  }
  expect((await rig.call("/api/audit", { as: "admin" })).status).toBe(200);
  expect((await rig.call("/metrics", { headers: { Authorization: `Bearer ${metricsToken}` } })).status).toBe(200);
});

afterAll(async () => {
  await rig?.close();
});

const nameOf = (grant: GrantUse) => `${grant.roleArn.split("/").at(-1)} ${grant.action}`;

/** Of functions of this stack; the API's own role writes to CloudWatch, which is not asked for it here. */
const ofConsole = () =>
  rig.cloud.iam.grants().filter(({ roleArn }) => /causeway-local-console-(?!HttpApi)/.test(roleArn));

describe("console's roles", () => {
  it("cover a job's whole course: seen, cancelled, closed, redriven", async () => {
    // Lambda has no room for the workflow's first function: the run waits, and can be stopped.
    rig.faults.add({ service: "lambda", resourceIncludes: "ListBackups", times: 1000, effect: { kind: "throttle" } });
    const stateMachineArn = rig.cloud.output("ReplicateBackupsArn");
    const { executionArn = "" } = await rig.states.send(new StartExecutionCommand({ stateMachineArn, name: "course" }));
    const at = new Date().toISOString();
    const job = { jobId: "course", kind: "replication-run", state: "running", phase: "p" } as const;
    await rig.jobs.putJob({ ...job, startedAt: at, heartbeatAt: at, executionArn });
    const headers = { "Idempotency-Key": "course" };
    for (let again = 0; again < 2; again += 1) {
      const cancelled = await rig.call("/api/jobs/course/cancel", { method: "POST", as: "operator", headers });
      expect(cancelled.status, cancelled.text).toBe(202);
    }
    await vi.waitFor(async () => expect((await rig.jobs.find("course"))?.state).toBe("cancelled"), { timeout: 30_000 });
    rig.faults.clear();
    const redriven = await rig.call("/api/jobs/course/redrive", { method: "POST", as: "operator", headers });
    expect(redriven.status, redriven.text).toBe(202);
    expect((await rig.call("/api/jobs/course", { as: "viewer" })).status).toBe(200);
  });

  it("hold no grant without a known use", () => {
    const unused = ofConsole().filter(({ uses }) => uses === 0);
    expect(unused.map(nameOf).filter((name) => !notUsedHere.some((pattern) => pattern.test(name)))).toEqual([]);
    expect(ofConsole().length).toBeGreaterThan(40);
  });

  it("were refused nothing", () => {
    const denied = rig.cloud.iam.calls.denied().filter(({ principalArn }) => principalArn.includes("-console-"));
    expect(denied).toEqual([]);
  });
});
