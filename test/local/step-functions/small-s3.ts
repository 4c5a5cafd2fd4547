// As much of S3 as ItemReader, ResultWriter and the SDK integration's tests need: objects in a map.
import { type LocalService, type ServiceContext, ServiceError } from "../../../local/gateway/service.ts";

export interface SmallS3 extends LocalService {
  /** By `bucket/key`. */
  readonly objects: Map<string, string>;
}

export function smallS3(context: ServiceContext, objects: Map<string, string>): SmallS3 {
  return {
    name: "s3",
    objects,
    operationOf: ({ method, query }) =>
      method === "PUT" ? "PutObject" : query.has("list-type") ? "ListObjectsV2" : "GetObject",
    resourceOf: ({ rawPath }) => decodeURIComponent(rawPath.slice(1)),
    async handle(request) {
      const path = decodeURIComponent(request.rawPath.slice(1)).replace(/\/$/, "");
      const allow = (action: string) =>
        request.principal && context.authorize(request.principal, action, `arn:aws:s3:::${path}`);
      if (request.method === "PUT") {
        allow("s3:PutObject");
        objects.set(path, request.bodyBytes.toString("utf8"));
        return { status: 200, headers: { etag: '"e"' } };
      }
      if (request.query.has("list-type")) {
        allow("s3:ListBucket");
        return {
          status: 200,
          headers: { "content-type": "application/xml" },
          body: listing(path, request.query, objects),
        };
      }
      allow("s3:GetObject");
      const text = objects.get(path);
      if (text === undefined) throw new ServiceError(404, "NoSuchKey", "The specified key does not exist.");
      return { status: 200, headers: { etag: '"e"' }, body: Buffer.from(text) };
    },
    renderError: (error) => ({
      status: error.status,
      headers: { "content-type": "application/xml" },
      body: `<?xml version="1.0"?><Error><Code>${error.code}</Code><Message>${error.message}</Message></Error>`,
    }),
    throttlingError: () => new ServiceError(503, "SlowDown", "Please reduce your request rate."),
  };
}

/** Two keys to a page, so that paging is seen. */
function listing(bucket: string, query: URLSearchParams, objects: Map<string, string>): string {
  const prefix = query.get("prefix") ?? "";
  const keys = [...objects.keys()]
    .filter((path) => path.startsWith(`${bucket}/${prefix}`))
    .map((path) => path.slice(bucket.length + 1))
    .sort();
  const from = Number(query.get("continuation-token") ?? 0);
  const more = from + 2 < keys.length;
  const contents = keys
    .slice(from, from + 2)
    .map(
      (key) => `<Contents><Key>${key}</Key><Size>1</Size><LastModified>2026-01-01T00:00:00Z</LastModified></Contents>`,
    );
  const token = more ? `<NextContinuationToken>${from + 2}</NextContinuationToken>` : "";
  return `<ListBucketResult><IsTruncated>${more}</IsTruncated>${token}${contents.join("")}</ListBucketResult>`;
}
