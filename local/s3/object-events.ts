// What S3 tells EventBridge about created and deleted objects.
// Source: "Amazon S3 event message structure" for EventBridge in the S3 user guide.
import { randomUUID } from "node:crypto";
import type { EventPort } from "../gateway/ports.ts";
import type { ServiceContext } from "../gateway/service.ts";
import type { Bucket } from "./object-index.ts";

export type ObjectChange =
  | {
      readonly kind: "created";
      readonly reason: "PutObject" | "CopyObject" | "CompleteMultipartUpload";
      readonly bytes: number;
      readonly etag: string;
    }
  | {
      readonly kind: "deleted";
      readonly reason: "DeleteObject";
      readonly deletionType: "Permanently Deleted" | "Delete Marker Created";
    };

export interface ChangedObject {
  readonly bucket: Bucket;
  readonly key: string;
  readonly versionId: string;
  readonly sequence: number;
  readonly requestId: string;
}

export class ObjectEvents {
  readonly #port: EventPort | undefined;
  readonly #context: Pick<ServiceContext, "clock" | "region" | "accountId">;

  constructor(context: Pick<ServiceContext, "clock" | "region" | "accountId">, port: EventPort | undefined) {
    this.#context = context;
    this.#port = port;
  }

  /** To be called once the change is committed. */
  publish(object: ChangedObject, change: ObjectChange): void {
    if (!object.bucket.eventBridge || !this.#port) return;
    const { region, accountId, clock } = this.#context;
    const created = change.kind === "created";
    this.#port.publish({
      version: "0",
      id: randomUUID(),
      "detail-type": created ? "Object Created" : "Object Deleted",
      source: "aws.s3",
      account: accountId,
      time: `${new Date(clock.now()).toISOString().slice(0, 19)}Z`,
      region,
      resources: [`arn:aws:s3:::${object.bucket.name}`],
      detail: {
        version: "0",
        bucket: { name: object.bucket.name },
        object: {
          key: object.key,
          ...(created ? { size: change.bytes, etag: change.etag } : {}),
          ...(object.versionId === "null" ? {} : { "version-id": object.versionId }),
          sequencer: sequencer(object.sequence),
        },
        "request-id": object.requestId,
        requester: accountId,
        "source-ip-address": "127.0.0.1",
        reason: change.reason,
        ...(created ? {} : { "deletion-type": change.deletionType }),
      },
    });
  }
}

/** Of constant length, so that comparing as text and comparing as S3 prescribes (padded to the right) agree. */
function sequencer(sequence: number): string {
  return sequence.toString(16).toUpperCase().padStart(18, "0");
}
