// The local cloud's S3: one service behind the gateway, with its index in SQLite and its bytes in files.
import { join } from "node:path";
import type { EventPort } from "../gateway/ports.ts";
import type { LocalService, ServiceContext, ServiceRequest, ServiceResponse } from "../gateway/service.ts";
import { abortOldUploadsDaily } from "./abort-old-uploads.ts";
import { BodyFiles } from "./body-files.ts";
import { getBucketLocation, getBucketVersioning, headBucket } from "./bucket-operations.ts";
import { completeMultipartUpload } from "./complete-upload.ts";
import { copyObject } from "./copy-object.ts";
import { openDatabase } from "./database.ts";
import { deleteManyObjects, deleteOneObject } from "./delete-objects.ts";
import { getObject } from "./get-object.ts";
import { listObjects, listObjectVersions } from "./list-objects.ts";
import { listMultipartUploads, listParts } from "./list-uploads.ts";
import { abortMultipartUpload, createMultipartUpload, uploadPart, uploadPartCopy } from "./multipart-upload.ts";
import { getObjectAttributes } from "./object-attributes.ts";
import { ObjectEvents } from "./object-events.ts";
import { ObjectIndex } from "./object-index.ts";
import { refuseUnsupportedHeaders } from "./object-metadata.ts";
import { putObject } from "./put-object.ts";
import { bucketAndKey, operationOf, resourceOf } from "./route-request.ts";
import type { Operation, S3Call, S3State } from "./s3-call.ts";
import { accessDenied, explainMachineError, noSuchBucket, renderS3Error, S3Error } from "./s3-error.ts";
import { UploadIndex } from "./upload-index.ts";

export interface S3Options {
  /** Where events of buckets with `eventBridge` go. Absent: nowhere. */
  readonly events?: EventPort;
  /** S3's is 5 MiB, the default; tests of part limits set it lower. */
  readonly smallestPartBytes?: number;
}

export interface BucketSettings {
  readonly name: string;
  readonly versioned: boolean;
  /** "Object Created" and "Object Deleted" go to the event port. */
  readonly eventBridge: boolean;
  /** Uploads that are incomplete after so many days are aborted. Absent: never. */
  readonly lifecycleAbortDays?: number;
  /** Default encryption with this key; callers then need its kms: permissions. Absent: AES256. */
  readonly kmsKeyArn?: string;
}

export interface S3Service extends LocalService {
  /** Creates the bucket, or gives an existing one these settings; objects stay. */
  createBucket(settings: BucketSettings): void;
  close(): Promise<void>;
}

const awsSmallestPartBytes = 5 * 1024 * 1024;
/** An error is told before the body is read; up to so much of it is then read away, so that the client sees the answer. */
const mostDrainedBytes = 64 * 1024 * 1024;

const operations: Readonly<Record<string, Operation>> = {
  AbortMultipartUpload: abortMultipartUpload,
  CompleteMultipartUpload: completeMultipartUpload,
  CopyObject: copyObject,
  CreateMultipartUpload: createMultipartUpload,
  DeleteObject: deleteOneObject,
  DeleteObjects: deleteManyObjects,
  GetBucketLocation: getBucketLocation,
  GetBucketVersioning: getBucketVersioning,
  GetObject: getObject,
  GetObjectAttributes: getObjectAttributes,
  HeadBucket: headBucket,
  HeadObject: getObject,
  ListMultipartUploads: listMultipartUploads,
  ListObjectVersions: listObjectVersions,
  ListObjectsV2: listObjects,
  ListParts: listParts,
  PutObject: putObject,
  UploadPart: uploadPart,
  UploadPartCopy: uploadPartCopy,
};

/**
 * Opens the state in `context.stateDirectory` (`index.sqlite` and `bodies/`) and deletes body files that no row names.
 * Throws where another process has the state open.
 */
export function createS3Service(context: ServiceContext, options: S3Options = {}): S3Service {
  const database = openDatabase(join(context.stateDirectory, "index.sqlite"));
  const state: S3State = {
    context,
    database,
    index: new ObjectIndex(database),
    uploads: new UploadIndex(database),
    bodies: new BodyFiles(join(context.stateDirectory, "bodies")),
    events: new ObjectEvents(context, options.events),
    smallestPartBytes: options.smallestPartBytes ?? awsSmallestPartBytes,
  };
  state.bodies.sweep(state.index.namedFiles());
  const closing = new AbortController();
  void abortOldUploadsDaily(state, closing.signal, (error) => console.error("s3: the lifecycle run failed:", error));
  return {
    name: "s3",
    streamsBody: true,
    operationOf,
    resourceOf,
    handle: (request) => handle(state, request),
    renderError: renderS3Error,
    throttlingError: () => new S3Error(503, "SlowDown", "Please reduce your request rate."),
    createBucket(settings) {
      state.index.saveBucket(
        {
          name: settings.name,
          versioned: settings.versioned,
          eventBridge: settings.eventBridge,
          abortUploadsAfterDays: settings.lifecycleAbortDays,
          kmsKeyArn: settings.kmsKeyArn,
        },
        Math.floor(context.clock.now()),
      );
    },
    async close() {
      closing.abort();
      await state.bodies.settle();
      database.close();
    },
  };
}

async function handle(state: S3State, request: ServiceRequest): Promise<ServiceResponse> {
  try {
    const name = operationOf(request);
    const operation = operations[name];
    if (!operation) {
      throw new S3Error(
        501,
        "NotImplemented",
        `The local cloud's S3 does not have ${name === "Unknown" ? `${request.method} ${request.rawPath}` : name}; ` +
          `it has ${Object.keys(operations).join(", ")}.`,
      );
    }
    return await operation(state, callOf(state, request));
  } catch (error) {
    await drain(request);
    throw explainMachineError(error, state.context.stateDirectory);
  }
}

function callOf(state: S3State, request: ServiceRequest): S3Call {
  if (!request.principal) throw accessDenied();
  const headers = withPresignedHeaders(request);
  refuseUnsupportedHeaders(headers, state.context.accountId);
  const { bucket: name, key } = bucketAndKey(request.rawPath);
  const bucket = state.index.findBucket(name);
  if (!bucket) throw noSuchBucket(name);
  return { request, headers, query: request.query, principal: request.principal, bucket, key };
}

/** A presigned URL carries x-amz- headers in its signed query. */
function withPresignedHeaders(request: ServiceRequest): Readonly<Record<string, string>> {
  if (!request.query.has("X-Amz-Signature")) return request.headers;
  const hoisted = [...request.query]
    .filter(([name]) => /^x-amz-/.test(name))
    .map(([name, value]) => [name, value] as const);
  return { ...Object.fromEntries(hoisted), ...request.headers };
}

async function drain(request: ServiceRequest): Promise<void> {
  if (Number(request.headers["content-length"] ?? 0) > mostDrainedBytes || request.stream.readableEnded) return;
  try {
    let bytes = 0;
    for await (const piece of request.stream.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      bytes += piece.length;
      if (bytes > mostDrainedBytes) return;
    }
  } catch {
    // The caller went away: there is nobody left to be told.
  }
}
