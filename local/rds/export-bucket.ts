// The bucket of an export, as the export's role may use it: every call goes through S3 and its permission check.
import { randomUUID } from "node:crypto";
import {
  DeleteObjectCommand,
  GetBucketLocationCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { type Principal, type ServiceContext, ServiceError } from "../gateway/service.ts";
import { internalFailure, invalidBucket, keyNotAccessible, roleMissingPermissions } from "./rds-error.ts";

export interface ExportTarget {
  readonly bucket: string;
  /** `<prefix>/<task id>`, without a slash at its end. */
  readonly folder: string;
  readonly roleArn: string;
  readonly kmsKeyArn: string;
}

/** RDS tries again long and patiently; a laptop's S3 answers at once or is broken. */
const attempts = 5;

/** S3 refused the role. */
export class BucketRefusal extends Error {
  /** `s3:PutObject` */
  readonly action: string;
  readonly code: string;

  constructor(action: string, code: string, sentence: string) {
    super(sentence);
    this.action = action;
    this.code = code;
  }
}

export class ExportBucket {
  readonly #client: S3Client;
  readonly #target: ExportTarget;
  readonly #region: string;

  constructor(context: ServiceContext, endpoint: string, role: Principal, target: ExportTarget) {
    this.#target = target;
    this.#region = context.region;
    this.#client = new S3Client({
      region: context.region,
      endpoint,
      forcePathStyle: true,
      maxAttempts: attempts,
      credentials: {
        accessKeyId: role.accessKeyId,
        secretAccessKey: role.secretAccessKey,
        ...(role.sessionToken === undefined ? {} : { sessionToken: role.sessionToken }),
      },
    });
    // Signatures are checked against cloud time, which may leap; the SDK would set the offset by `Date` headers.
    Object.defineProperty(this.#client.config, "systemClockOffset", {
      get: () => context.clock.now() - Date.now(),
      set: () => undefined,
    });
    // With such an offset the SDK takes every refusal for the clock's fault, and tries again what cannot succeed.
    this.#client.middlewareStack.addRelativeTo(keepRefusals, {
      name: "keepRefusals",
      relation: "before",
      toMiddleware: "httpSigningMiddleware",
    });
  }

  /**
   * What StartExportTask makes sure of: the bucket's region, and each action on an object that is gone again afterwards.
   * Throws ServiceError InvalidS3BucketFault, IamRoleMissingPermissions, KMSKeyNotAccessibleFault, or InternalFailure
   * where S3 itself has trouble.
   */
  async probe(): Promise<void> {
    const { bucket: Bucket, folder, roleArn, kmsKeyArn } = this.#target;
    const name = `rds_export_probe_${randomUUID()}`;
    const object = { Bucket, Key: `${folder}/${name}` };
    try {
      const { LocationConstraint: location } = await this.#call("s3:GetBucketLocation", () =>
        this.#client.send(new GetBucketLocationCommand({ Bucket })),
      );
      if ((location ?? "us-east-1") !== this.#region) {
        throw invalidBucket(
          `The S3 bucket ${Bucket} isn't located in the current AWS Region. Review your S3 bucket name and retry the export.`,
        );
      }
      await this.#call("s3:ListBucket", () =>
        this.#client.send(new ListObjectsV2Command({ Bucket, Prefix: `${folder}/`, MaxKeys: 1 })),
      );
      await this.put(name, Buffer.from("probe"));
      await this.#call("s3:GetObject", async () => {
        const { Body } = await this.#client.send(new GetObjectCommand(object));
        await Body?.transformToByteArray();
      });
      await this.#call("s3:DeleteObject", () => this.#client.send(new DeleteObjectCommand(object)));
    } catch (error) {
      if (error instanceof ServiceError) throw error;
      if (!(error instanceof BucketRefusal)) throw internalFailure(error);
      if (error.code === "NoSuchBucket") {
        throw invalidBucket(
          `The S3 bucket ${Bucket} isn't valid. Either it isn't located in the current AWS Region or it doesn't exist. ` +
            "Review your S3 bucket name and retry the export.",
        );
      }
      if (error.message.includes("kms:")) throw keyNotAccessible(`The KMS key ${kmsKeyArn}: ${error.message}`);
      throw roleMissingPermissions(refusalSentence(error, roleArn, Bucket));
    }
  }

  /** `name` is below the task's folder. Throws BucketRefusal. */
  async put(name: string, bytes: Buffer, signal?: AbortSignal): Promise<void> {
    const { bucket: Bucket, folder, kmsKeyArn } = this.#target;
    const encryption = { ServerSideEncryption: "aws:kms", SSEKMSKeyId: kmsKeyArn } as const;
    await this.#call("s3:PutObject", () =>
      this.#client.send(
        new PutObjectCommand({ Bucket, Key: `${folder}/${name}`, Body: bytes, ...encryption }),
        signal ? { abortSignal: signal } : {},
      ),
    );
  }

  close(): void {
    this.#client.destroy();
  }

  async #call<Output>(action: string, send: () => Promise<Output>): Promise<Output> {
    try {
      return await send();
    } catch (error) {
      const refusals = ["AccessDenied", "NoSuchBucket"];
      if (error instanceof Error && refusals.includes(error.name)) {
        throw new BucketRefusal(action, error.name, error.message);
      }
      throw error;
    }
  }
}

function keepRefusals<Call, Answer>(next: (call: Call) => Promise<Answer>): (call: Call) => Promise<Answer> {
  return async (call) => {
    try {
      return await next(call);
    } catch (error) {
      const { $metadata: metadata } = (error ?? {}) as { $metadata?: { clockSkewCorrected?: boolean } };
      if (metadata) delete metadata.clockSkewCorrected;
      throw error;
    }
  };
}

/** In AWS's words for a task that failed and for one that could not start. */
export function refusalSentence(refusal: BucketRefusal, roleArn: string, bucket: string): string {
  return (
    `The IAM role ${roleArn} isn't authorized to call ${refusal.action} on the S3 bucket ${bucket}. ` +
    "Review your permissions and retry the export."
  );
}
