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

const fewestFaults = 2;
const mostFaults = 6;

/** Two to six rules; the same seed gives the same rules. */
export function storm(seed: number): FaultRule[] {
  const draw = seededRandom(seed);
  const count = fewestFaults + Math.floor(draw() * (mostFaults - fewestFaults + 1));
  return Array.from({ length: count }, () => {
    const make = passing[Math.floor(draw() * passing.length)];
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
