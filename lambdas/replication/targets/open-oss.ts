// OSS as a Lambda has it: settings from its environment, the key pair from Secrets Manager.
import { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { type AliyunCredentialsSource, aliyunCredentials } from "../../shared/aliyun-credentials.ts";
import { smallCalls } from "../../shared/aws-clients.ts";
import { ossLimits, ossTarget } from "./oss.ts";
import type { OssSettings } from "./oss-client.ts";
import type { WholeObjectTarget } from "./target.ts";

/** The environment of every entry that asks OSS. */
export interface OssEnvironment {
  readonly OSS_SECRET_ID: string;
  readonly OSS_ENDPOINT: string;
  readonly OSS_PROTOCOL: "http" | "https";
  readonly OSS_PATH_STYLE: boolean;
  readonly OSS_REGION: string;
  readonly OSS_BUCKET: string;
  readonly OSS_ENCRYPTION: "AES256" | "KMS";
}

/** Parts are at least as large as both clouds' smallest. */
export function openOss(environment: OssEnvironment, smallestPartBytes = 0): WholeObjectTarget {
  const [settings, credentials] = ossOf(environment);
  return ossTarget(settings, credentials, Math.max(ossLimits.smallestPartBytes, smallestPartBytes));
}

export function ossOf(environment: OssEnvironment): [OssSettings, AliyunCredentialsSource] {
  const settings: OssSettings = {
    endpoint: environment.OSS_ENDPOINT,
    protocol: environment.OSS_PROTOCOL,
    pathStyle: environment.OSS_PATH_STYLE,
    region: environment.OSS_REGION,
    bucket: environment.OSS_BUCKET,
    encryption: environment.OSS_ENCRYPTION,
  };
  return [settings, aliyunCredentials(new SecretsManagerClient(smallCalls), environment.OSS_SECRET_ID)];
}
