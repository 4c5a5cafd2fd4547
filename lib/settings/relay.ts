// The settings of the room relay that a deployment fixes; what changes while it runs stands in lambdas/relay/settings.ts.
import * as z from "zod";
import { host, text, wholeNumber, yesOrNo } from "./fields.ts";

const subnetId = text(/^subnet-[0-9a-f]{8,17}$/, 'Give the id of a subnet, such as "subnet-0123456789abcdef0".');
const securityGroupId = text(/^sg-[0-9a-f]{8,17}$/, 'Give the id of a security group, such as "sg-0123456789abcdef0".');

/** Lambda Managed Instances: the relay's function on EC2 instances of the account, many streams in one environment. */
const managedInstances = z.strictObject({
  subnetIds: z.array(subnetId).min(1).max(16),
  securityGroupIds: z.array(securityGroupId).min(1).max(5),
  /** Streams at once in one environment. */
  streamsPerEnvironment: wholeNumber(1, 1000, "streams").default(64),
  mostVCpus: wholeNumber(12, 15_000, "vCPUs").default(12),
});

export const relay = z.strictObject({
  /**
   * Hosts at private addresses that accounts may be pointed at all the same, such as a gateway of your own, with the
   * port where it is not 443. Only a deployment can name them, never the API.
   */
  allowedPrivateHosts: z.array(host("llm.internal.example.com:8443")).max(50).default([]),
  /** Upstreams and proxies at loopback addresses, over http too: for a laptop, never for a deployment. */
  allowLoopback: yesOrNo(false),
  /** Of all clients together, at the gateway; beyond them it answers 429 itself. */
  requestsPerSecond: wholeNumber(1, 10_000, "requests").default(500),
  requestsInBurst: wholeNumber(1, 5000, "requests").default(1000),
  memoryMebibytes: wholeNumber(256, 10_240, "MiB").default(1024),
  /** Absent: Lambda as usual, one environment for each stream, nothing to pay while nobody calls. */
  managedInstances: managedInstances.optional(),
});
