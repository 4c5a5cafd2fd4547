// Abandon copy: after a failure nothing half-done stays behind, and the reason is kept where a person finds it.
import { isErrorNamed } from "../shared/errors.ts";
import type { Copy, CopyFailure, CopyState } from "./copy.ts";
import { readableCause } from "./readable-cause.ts";
import type { MultipartTarget, UploadRef } from "./targets/target.ts";

export interface StateMachineFailure {
  readonly Error?: string | undefined;
  readonly Cause?: string | undefined;
}

export interface AbandonCopyPorts {
  readonly target: Pick<MultipartTarget, "abort" | "unfinishedUploads" | "describe">;
  read(copyId: string): Promise<Copy | undefined>;
  fail(copyId: string, failure: CopyFailure, state: CopyState, keepPlan: boolean): Promise<void>;
  now(): number;
}

export interface Abandoned {
  readonly error: string;
  readonly cause: string;
  /** The copy itself was done by then; only telling of it failed. */
  readonly isCopied: boolean;
}

/** What the map above a failed batch says instead of the batch's own reason. */
const mapErrors = new Set(["States.ExceedToleratedFailureThreshold", "States.ItemReaderFailed", "States.TaskFailed"]);

export async function abandonCopy(
  input: { copyId: string; executionArn: string; failure: StateMachineFailure },
  ports: AbandonCopyPorts,
): Promise<Abandoned> {
  const copy = await ports.read(input.copyId);
  const isCopied = copy?.result?.executionArn === input.executionArn;
  const failure = failureOf(input, copy, ports.now());
  const held = copy?.claim?.executionArn === input.executionArn;
  // Without the claim, key and upload belong to whoever holds it now.
  if (copy !== undefined && held) {
    const object = copy.plan ? await ports.target.describe(copy.plan.key) : null;
    const complete = object !== null && object.uploadMark === copy.plan?.uploadMark;
    if (!complete) await abortAll(copy, ports.target);
    // A forced copy that failed leaves the earlier one as good as it was.
    const state: CopyState = copy.result === undefined ? "failed" : stateOfResult(copy);
    try {
      await ports.fail(input.copyId, failure, state, complete);
    } catch (error) {
      // A write whose answer was lost is sent again by the SDK, and finds its own work done.
      const now = isErrorNamed(error, "ClaimLost") ? await ports.read(input.copyId) : undefined;
      if (now?.lastError?.executionArn !== input.executionArn) throw error;
    }
  }
  return { error: failure.error, cause: failure.cause, isCopied };
}

async function abortAll(copy: Copy, target: AbandonCopyPorts["target"]): Promise<void> {
  const refs = new Map<string, UploadRef>();
  if (copy.plan) refs.set(copy.plan.uploadId, copy.plan);
  // A plan that died between beginning the upload and keeping it left one that no plan names.
  for (const ref of await target.unfinishedUploads(copy.key)) refs.set(ref.uploadId, ref);
  for (const ref of refs.values()) await target.abort({ key: ref.key, uploadId: ref.uploadId });
}

function stateOfResult(copy: Copy): CopyState {
  return copy.result?.proof === "length-and-etag" ? "copied-unverified" : "verified";
}

function failureOf(
  input: { executionArn: string; failure: StateMachineFailure },
  copy: Copy | undefined,
  nowMilliseconds: number,
): CopyFailure {
  const stated = input.failure.Error ?? "States.Unknown";
  const noted = copy?.lastError;
  if (
    noted !== undefined &&
    noted.executionArn === input.executionArn &&
    (mapErrors.has(stated) || copy?.claim === undefined)
  ) {
    return noted;
  }
  return {
    executionArn: input.executionArn,
    error: stated,
    cause: readableCause(input.failure.Cause ?? ""),
    at: new Date(nowMilliseconds).toISOString(),
  };
}
