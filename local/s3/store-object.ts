// The two changes an object can see, each one transaction: a new version becomes current, or a version goes away.
import { randomBytes } from "node:crypto";
import { inTransaction } from "./database.ts";
import type { ObjectChange } from "./object-events.ts";
import type { ObjectFacts, ObjectVersion, Segment } from "./object-index.ts";
import { assertWritable, type WriteConditions } from "./preconditions.ts";
import type { S3Call, S3State } from "./s3-call.ts";

export interface NewObject {
  readonly bytes: number;
  readonly etag: string;
  readonly facts: ObjectFacts;
  /** Their files are whole and closed. */
  readonly segments: readonly Segment[];
  readonly conditions: WriteConditions;
  readonly reason: Extract<ObjectChange, { kind: "created" }>["reason"];
}

/**
 * Makes the object the current version of the call's key. Conditions are checked in the transaction: of two writers
 * that race, one gets 412. When this throws, nothing has changed and the files are still the caller's.
 * `alsoDelete` runs in the same transaction and returns files that nobody needs once it is committed.
 */
export function storeObject(
  state: S3State,
  call: S3Call,
  object: NewObject,
  alsoDelete: () => string[] = () => [],
): ObjectVersion {
  const { bucket, key } = call;
  const version = {
    bucket: bucket.name,
    key,
    versionId: bucket.versioned ? newVersionId() : "null",
    deleteMarker: false,
    bytes: object.bytes,
    etag: object.etag,
    modifiedAt: Math.floor(state.context.clock.now()),
    facts: object.facts,
  };
  const { sequence, files } = inTransaction(state.database, () => {
    assertWritable(object.conditions, key, currentObject(state, call));
    const replaced = bucket.versioned ? [] : removeNullVersion(state, call);
    const next = state.index.nextSequence();
    state.index.insertVersion(next, version, object.segments);
    return { sequence: next, files: [...replaced, ...alsoDelete()] };
  });
  state.bodies.remove(files);
  state.events.publish(
    { bucket, key, versionId: version.versionId, sequence, requestId: call.request.requestId },
    { kind: "created", reason: object.reason, bytes: object.bytes, etag: object.etag },
  );
  return { ...version, sequence, latest: true };
}

/** What a reader of the key sees: nothing where a delete marker is current. */
export function currentObject(state: S3State, call: S3Call, key = call.key): ObjectVersion | undefined {
  const current = state.index.findCurrent(call.bucket.name, key);
  return current?.deleteMarker ? undefined : current;
}

export interface Deletion {
  /** The version that was removed, or the delete marker that was put. */
  readonly versionId: string | undefined;
  /** The delete marker that was put, or that was removed. */
  readonly deleteMarker: boolean;
}

/** Without `versionId` as S3 does it: a delete marker where the bucket has versions, else the object goes. */
export function deleteObject(
  state: S3State,
  call: S3Call,
  target: { readonly key: string; readonly versionId: string | undefined; readonly ifMatch: string | undefined },
): Deletion {
  const { bucket } = call;
  const { key, versionId, ifMatch } = target;
  const { files, deletion, sequence } = inTransaction(state.database, () => {
    if (ifMatch !== undefined) {
      const wanted =
        versionId === undefined
          ? currentObject(state, call, key)
          : state.index.findVersion(bucket.name, key, versionId);
      assertWritable({ ifMatch, mustNotExist: false }, key, wanted);
    }
    const done = versionId === undefined ? deleteCurrent(state, call, key) : deleteVersion(state, call, key, versionId);
    return { ...done, sequence: done.deletion ? state.index.nextSequence() : 0 };
  });
  state.bodies.remove(files);
  if (deletion) {
    state.events.publish(
      {
        bucket,
        key,
        versionId: deletion.versionId ?? "null",
        sequence,
        requestId: call.request.requestId,
      },
      {
        kind: "deleted",
        reason: "DeleteObject",
        deletionType:
          versionId === undefined && deletion.deleteMarker ? "Delete Marker Created" : "Permanently Deleted",
      },
    );
  }
  return deletion ?? { versionId, deleteMarker: false };
}

interface DeletionDone {
  readonly files: string[];
  /** Undefined: there was nothing to delete. */
  readonly deletion: Deletion | undefined;
}

function deleteVersion(state: S3State, call: S3Call, key: string, versionId: string): DeletionDone {
  const found = state.index.findVersion(call.bucket.name, key, versionId);
  if (!found) return { files: [], deletion: undefined };
  return { files: state.index.deleteVersion(found), deletion: { versionId, deleteMarker: found.deleteMarker } };
}

function deleteCurrent(state: S3State, call: S3Call, key: string): DeletionDone {
  const { bucket } = call;
  const existed = state.index.findCurrent(bucket.name, key);
  const files = bucket.versioned ? [] : removeNullVersion(state, call, key);
  if (!bucket.versioned && !state.index.findCurrent(bucket.name, key)) {
    return { files, deletion: existed ? { versionId: undefined, deleteMarker: false } : undefined };
  }
  const versionId = bucket.versioned ? newVersionId() : "null";
  state.index.insertVersion(
    state.index.nextSequence(),
    {
      bucket: bucket.name,
      key,
      versionId,
      deleteMarker: true,
      bytes: 0,
      etag: "",
      modifiedAt: Math.floor(state.context.clock.now()),
      facts: undefined,
    },
    [],
  );
  return { files, deletion: { versionId, deleteMarker: true } };
}

function removeNullVersion(state: S3State, call: S3Call, key = call.key): string[] {
  const found = state.index.findVersion(call.bucket.name, key, "null");
  return found ? state.index.deleteVersion(found) : [];
}

/** As long as AWS's, and as opaque. */
function newVersionId(): string {
  return randomBytes(24).toString("base64url");
}
