// Weather for the fault rig: rules drawn from a seed, each of which the copies must survive or refuse with a reason.
import type { FaultRule } from "../rig/faults.ts";
import { seededRandom } from "../rig/faults.ts";

type Draw = () => number;

/** Every kind of trouble that passes: with retries, resumes and refreshed links a copy must come through. */
const passing: readonly ((draw: Draw) => FaultRule)[] = [
  (draw) => ({
    service: "s3",
    operation: "UploadPart",
    fromCall: among(draw, 12),
    times: among(draw, 4),
    effect: { kind: "throttle" },
  }),
  (draw) => ({
    service: "s3",
    fromCall: among(draw, 30),
    times: among(draw, 3),
    effect: { kind: "error", status: 500, code: "InternalError" },
  }),
  (draw) => ({
    service: "s3",
    operation: "UploadPart",
    fromCall: among(draw, 10),
    effect: { kind: "fail-after-work" },
  }),
  (draw) => ({
    service: "s3",
    operation: "UploadPart",
    fromCall: among(draw, 10),
    effect: { kind: "flip-stored-bit", when: "in-transit" },
  }),
  (draw) => ({ service: "s3", operation: "UploadPart", fromCall: among(draw, 10), effect: { kind: "reset" } }),
  (draw) => ({
    service: "s3",
    operation: "CompleteMultipartUpload",
    effect: { kind: "error-in-200", afterWork: draw() < 0.5 },
  }),
  () => ({ service: "s3", operation: "CompleteMultipartUpload", effect: { kind: "fail-after-work" } }),
  () => ({ service: "s3", operation: "CompleteMultipartUpload", effect: { kind: "reset-after-work" } }),
  (draw) => ({
    service: "aliyun-download",
    fromCall: among(draw, 12),
    times: among(draw, 3),
    effect: { kind: "throttle" },
  }),
  (draw) => ({
    service: "aliyun-download",
    fromCall: among(draw, 12),
    times: among(draw, 2),
    effect: { kind: "short-body", share: draw() },
  }),
  (draw) => ({ service: "aliyun-download", fromCall: 2 + among(draw, 10), effect: { kind: "wrong-range" } }),
  (draw) => ({ service: "aliyun-download", fromCall: 3 + among(draw, 10), effect: { kind: "ignore-range" } }),
  (draw) => ({ service: "aliyun-download", fromCall: 3 + among(draw, 10), effect: { kind: "expire-link" } }),
  (draw) => ({ service: "aliyun-download", fromCall: among(draw, 12), effect: { kind: "reset" } }),
  (draw) => ({ service: "aliyun-rds", fromCall: among(draw, 4), times: among(draw, 2), effect: { kind: "throttle" } }),
  (draw) => ({
    service: "aliyun-rds",
    fromCall: among(draw, 4),
    effect: { kind: "error", status: 503, code: "ServiceUnavailable" },
  }),
  (draw) => ({ service: "dynamodb", fromCall: among(draw, 60), times: among(draw, 3), effect: { kind: "throttle" } }),
  (draw) => ({ service: "dynamodb", fromCall: among(draw, 60), effect: { kind: "fail-after-work" } }),
  (draw) => ({ service: "kms", operation: "Sign", effect: { kind: "throttle" }, times: among(draw, 2) }),
  (draw) => kill("PlanCopy", draw, 20),
  (draw) => kill("CopyBatch", draw, 60),
  (draw) => kill("CompleteCopy", draw, 10),
  (draw) => kill("RecordReceipt", draw, 6),
  (draw) => kill("ListBackups", draw, 10),
];

/** The same of what copies have nothing to do with: exports, the mirror, its queue, the group robot. */
const passingBesides: readonly ((draw: Draw) => FaultRule)[] = [
  (draw) => ({
    service: "rds",
    operation: "DescribeExportTasks",
    times: among(draw, 3),
    effect: { kind: "throttle" },
  }),
  (draw) => ({ service: "oss", operation: "PutObject", fromCall: among(draw, 10), effect: { kind: "throttle" } }),
  (draw) => ({
    service: "oss",
    operation: "PutObject",
    fromCall: among(draw, 10),
    effect: { kind: "fail-after-work" },
  }),
  (draw) => ({ service: "oss", operation: "HeadObject", fromCall: among(draw, 10), effect: { kind: "reset" } }),
  (draw) => ({
    service: "oss",
    operation: "UploadPart",
    fromCall: among(draw, 6),
    times: among(draw, 2),
    effect: { kind: "throttle" },
  }),
  () => ({ service: "oss", operation: "CompleteMultipartUpload", effect: { kind: "fail-after-work" } }),
  (draw) => ({
    service: "sqs-delivery",
    resourceIncludes: "Mirror",
    fromCall: among(draw, 10),
    effect: { kind: "duplicate-event", deliveries: 2 },
  }),
  (draw) => ({
    service: "sqs-delivery",
    resourceIncludes: "Mirror",
    fromCall: among(draw, 6),
    effect: { kind: "reorder-event" },
  }),
];

const fewestFaults = 2;
const mostFaults = 6;
const mostFaultsBesides = 3;

/** Two to six rules; the same seed gives the same rules. */
export function storm(seed: number): FaultRule[] {
  const draw = seededRandom(seed);
  return drawRules(draw, passing, fewestFaults + Math.floor(draw() * (mostFaults - fewestFaults + 1)));
}

/** One to three rules for what lies beside the copies; the same seed gives the same rules. */
export function stormBesides(seed: number): FaultRule[] {
  // Another row of numbers than the copies' own.
  const draw = seededRandom(seed + 1_000_000_000);
  return drawRules(draw, passingBesides, among(draw, mostFaultsBesides));
}

function drawRules(draw: Draw, from: readonly ((draw: Draw) => FaultRule)[], count: number): FaultRule[] {
  return Array.from({ length: count }, () => {
    const make = from[Math.floor(draw() * from.length)];
    if (!make) throw new RangeError("the draw is outside of [0, 1)");
    return make(draw);
  });
}

function kill(functionName: string, draw: Draw, calls: number): FaultRule {
  const when = draw() < 0.5 ? "before" : "after";
  // A physical name ends in the template's hash: it is found by the part that the construct gave it.
  return {
    service: "lambda",
    resourceIncludes: functionName,
    effect: { kind: "kill", atCall: among(draw, calls), when },
  };
}

/** 1 to `most`. */
function among(draw: Draw, most: number): number {
  return 1 + Math.floor(draw() * most);
}
