// What a bucket of OSS holds, for whoever compares: its keys in order, and ranges of its objects. Writes nothing.
// Source: "ListObjectsV2 (GetBucketV2)" and "GetObject" in OSS's API reference.
import type { AliyunCredentialsSource } from "../../shared/aliyun-credentials.ts";
import { CausewayError, isErrorNamed } from "../../shared/errors.ts";
import { createPartChecksums } from "../checksums/part-checksums.ts";
import { lengthOfRange } from "../plan-parts.ts";
import type { OssContents } from "../reconcile/contents.ts";
import { type OssEnvironment, ossOf } from "./open-oss.ts";
import { type OssSettings, ossCaller } from "./oss-client.ts";

/** OSS's largest page. */
const mostListed = 1000;
/** The transport takes answers of 8 MiB at most, and holds them. */
export const ossSegmentBytes = 2 * 1024 * 1024;

export function openOssContents(environment: OssEnvironment): OssContents {
  const [settings, credentials] = ossOf(environment);
  return ossContents(settings, credentials);
}

export function ossContents(settings: OssSettings, credentials: AliyunCredentialsSource): OssContents {
  const { once, repeatedly } = ossCaller(settings, credentials);

  /** An empty value is left out: OSS signs its name alone, ali-oss with "=". */
  const list = (query: Readonly<Record<string, string | number>>) =>
    repeatedly((client) =>
      client.listV2(
        Object.fromEntries(Object.entries({ "encoding-type": "url", ...query }).filter(([, value]) => value !== "")),
      ),
    );

  return {
    async page(prefix, after, most = mostListed) {
      const { objects, isTruncated } = await list({ prefix, "start-after": after ?? "", "max-keys": most });
      return {
        objects: objects.map(({ name, etag, size, lastModified }) => ({
          key: decodeURIComponent(name),
          etag,
          sizeBytes: size,
          modifiedAt: Date.parse(lastModified),
        })),
        isLast: !isTruncated,
      };
    },

    async folders(prefix, mostPages) {
      const folders: string[] = [];
      let token = "";
      for (let page = 0; page < mostPages; page += 1) {
        const answer = await list({ prefix, delimiter: "/", "max-keys": mostListed, "continuation-token": token });
        folders.push(...(answer.prefixes ?? []).map(decodeURIComponent));
        token = answer.nextContinuationToken ?? "";
        if (!answer.isTruncated || token === "") break;
      }
      return folders;
    },

    async sumRange(key, etag, range, signal) {
      const headers = { Range: `bytes=${range.first}-${range.last}`, "If-Match": etag };
      try {
        const { content, res } = await once((client) => client.get(key, { headers, ctx: { signal } }));
        const answered = res.headers["content-range"] ?? "";
        if (!answered.startsWith(`bytes ${range.first}-${range.last}/`) || content.length !== lengthOfRange(range)) {
          throw new CausewayError(
            "TargetUnavailable",
            `OSS answered ${res.status} with "${answered}" and ${content.length} bytes for ${range.first}-${range.last}.`,
          );
        }
        const sums = createPartChecksums();
        sums.update(content);
        return sums.digest();
      } catch (error) {
        // If-Match did not hold, or there is no such object any more.
        if (!isErrorNamed(error, "TargetExists") && codeOf(error) !== "NoSuchKey") throw error;
        throw new CausewayError("SourceChanged", `${key} in OSS is no longer the object that was compared.`);
      }
    },
  };
}

function codeOf(error: unknown): unknown {
  return error instanceof CausewayError ? error.details.code : undefined;
}
