// One call to Aliyun RDS: the vendor's SDK, named errors, bounded retries, and a key pair that may change meanwhile.
import openApiCore from "@alicloud/openapi-core";
import rds from "@alicloud/rds20140815";
import type { AliyunCredentialsSource } from "../../shared/aliyun-credentials.ts";
import { CausewayError } from "../../shared/errors.ts";
import { retry } from "../../shared/retry.ts";
import { aliyunError, isCredentialProblem } from "./aliyun-errors.ts";

type RdsClient = InstanceType<typeof rds.default>;

export interface AliyunRdsSettings {
  /** Host, optionally with a port, no scheme. */
  readonly endpoint: string;
  readonly protocol: "http" | "https";
  readonly region: string;
}

export type AliyunCaller = <Answer>(ask: (client: RdsClient) => Promise<Answer>) => Promise<Answer>;

const callTimeoutMilliseconds = 20_000;
const mostAttempts = 5;

export function aliyunCaller(settings: AliyunRdsSettings, credentials: AliyunCredentialsSource): AliyunCaller {
  const client = async (): Promise<RdsClient> => {
    const pair = await credentials.read();
    return new rds.default(
      new openApiCore.$OpenApiUtil.Config({
        ...pair,
        endpoint: settings.endpoint,
        protocol: settings.protocol,
        regionId: settings.region,
        connectTimeout: callTimeoutMilliseconds,
        readTimeout: callTimeoutMilliseconds,
      }),
    );
  };

  return async (ask) => {
    // A refused key pair is read anew once: it may have been rotated.
    let rereadCredentials = false;
    return retry(
      async () => {
        try {
          return await ask(await client());
        } catch (error) {
          throw aliyunError(error);
        }
      },
      {
        mostAttempts,
        firstWaitMilliseconds: 300,
        longestWaitMilliseconds: 5_000,
        isRetryable: (error) => {
          if (isCredentialProblem(error) && !rereadCredentials) {
            rereadCredentials = true;
            credentials.forget();
            return true;
          }
          return error instanceof CausewayError && error.retryable;
        },
      },
    );
  };
}
