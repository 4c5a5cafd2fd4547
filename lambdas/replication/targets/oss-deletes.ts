// Deleting in OSS: apart from the target, so that only the one function that deletes has it, with a key pair of its own.
import type { AliyunCredentialsSource } from "../../shared/aliyun-credentials.ts";
import { type OssEnvironment, ossOf } from "./open-oss.ts";
import { type OssSettings, ossCaller } from "./oss-client.ts";
import type { ObjectRemover } from "./target.ts";

export function ossRemover(settings: OssSettings, credentials: AliyunCredentialsSource): ObjectRemover {
  const { repeatedly } = ossCaller(settings, credentials);
  return {
    async delete(key) {
      await repeatedly((client) => client.delete(key));
    },
  };
}

export function openOssRemover(environment: OssEnvironment): ObjectRemover {
  const [settings, credentials] = ossOf(environment);
  return ossRemover(settings, credentials);
}
