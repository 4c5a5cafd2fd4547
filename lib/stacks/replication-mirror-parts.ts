// What the functions of the mirror to OSS have in common: settings, environment, and the keys on which they may work.
import type { Queue } from "aws-cdk-lib/aws-sqs";
import type { StageSettings } from "../config.ts";
import type { Permission } from "../constructs/permissions.ts";
import type { ReplicationParts } from "./replication-functions.ts";
import { onObjects } from "./replication-permissions.ts";

export type MirrorSettings = NonNullable<StageSettings["replication"]["mirror"]>;

/** What the mirror's functions are built from. */
export interface MirrorParts extends ReplicationParts {
  readonly mirror: MirrorSettings;
  /** Host of OSS, and whether the bucket stands in the path; parameters of the stack. */
  readonly ossEndpoint: string;
  readonly ossPathStyle: "true" | "false";
  /** Text of a whole number; a parameter of the stack. */
  readonly largeObjectBytes: string;
  readonly mirrorQueue: Queue;
}

/** Receipts stand outside the prefixes that are mirrored: a receipt of a receipt would never end. */
export const receiptKeys = "receipts/*";

/** Where `npx causeway secrets set aliyun-oss` puts the key pair. */
export function ossSecretPath({ settings }: MirrorParts): string {
  return `/${settings.stage}/replication/aliyun-oss`;
}

/** Another pair than the mirror's, which needs no right to delete. */
export function deletesSecretPath({ settings }: MirrorParts): string {
  return `/${settings.stage}/replication/aliyun-oss-deletes`;
}

export function ossEnvironment(parts: MirrorParts) {
  const { mirror, data } = parts;
  return {
    OSS_SECRET_ID: ossSecretPath(parts),
    OSS_ENDPOINT: parts.ossEndpoint,
    OSS_PROTOCOL: parts.aliyunProtocol,
    OSS_PATH_STYLE: parts.ossPathStyle,
    OSS_REGION: mirror.region,
    OSS_BUCKET: mirror.bucket,
    OSS_ENCRYPTION: mirror.encryption,
    MIRROR_TABLE: data.mirror.tableName,
  } as const;
}

export function mappingEnvironment({ mirror }: MirrorParts) {
  return { MIRROR_MAPPINGS: JSON.stringify(mirror.mappings) };
}

/** On the objects below the mirrored prefixes, and no others. */
export function onMirrored(
  { data, mirror }: MirrorParts,
  ...actions: readonly ("GetObject" | "GetObjectVersion")[]
): Permission[] {
  return mirror.mappings.map(({ from }) => onObjects(data.backups, `${from}*`, ...actions));
}
