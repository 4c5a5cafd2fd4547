// The environment of a Lambda as far as the AWS SDK reads it: endpoint, region and keys.
import { vi } from "vitest";
import { operator } from "../../local/service-rig.ts";

/** Stays until `vi.unstubAllEnvs()`. The key pair is the operator's, whom the rigs' gateways let do everything. */
export function pointSdkAt(url: string): void {
  vi.stubEnv("AWS_ENDPOINT_URL", url);
  vi.stubEnv("AWS_REGION", "eu-central-1");
  vi.stubEnv("AWS_ACCESS_KEY_ID", operator.accessKeyId);
  vi.stubEnv("AWS_SECRET_ACCESS_KEY", operator.secretAccessKey);
  vi.stubEnv("AWS_SESSION_TOKEN", undefined);
}
