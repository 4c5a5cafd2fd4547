// Calls to the DynamoDB-compatible server behind the front: a client's as it came, and the front's own.
import http from "node:http";
import { flatten } from "../gateway/gateway.ts";
import { ServiceError, type ServiceResponse } from "../gateway/service.ts";

export type BackendAnswer = ServiceResponse & { readonly body: Buffer };

/** `DynamoDB_20120810`, or that of the streams' own API. */
export type TargetPrefix = "DynamoDB_20120810" | "DynamoDBStreams_20120810";

export const contentType = "application/x-amz-json-1.0";
const mostConnections = 64;

export class BackendCalls {
  readonly #url: string;
  readonly #place: Pick<http.RequestOptions, "host" | "port">;
  readonly #agent = new http.Agent({ keepAlive: true, maxSockets: mostConnections });

  constructor(url: string) {
    this.#url = url;
    const { hostname, port } = new URL(url);
    this.#place = { host: hostname, port };
  }

  close(): void {
    this.#agent.destroy();
  }

  /** Rejects when the connection breaks; an error of the server is an answer. */
  forward(
    target: string,
    body: Buffer,
    headers: Readonly<Record<string, string>>,
    signal?: AbortSignal,
  ): Promise<BackendAnswer> {
    return new Promise((resolve, reject) => {
      const outgoing = http.request({
        ...this.#place,
        method: "POST",
        path: "/",
        agent: this.#agent,
        ...(signal ? { signal } : {}),
        headers: {
          "content-type": contentType,
          "content-length": body.length,
          "x-amz-target": target,
          authorization: headers.authorization ?? "",
          "x-amz-date": headers["x-amz-date"] ?? "",
        },
      });
      outgoing.once("error", reject);
      outgoing.once("response", (incoming) => {
        const chunks: Buffer[] = [];
        incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
        incoming.once("error", reject);
        incoming.once("end", () => {
          const { "content-type": type = contentType, "x-amz-crc32": crc } = flatten(incoming.headers);
          resolve({
            status: incoming.statusCode ?? 500,
            headers: { "content-type": type, ...(crc ? { "x-amz-crc32": crc } : {}) },
            body: Buffer.concat(chunks),
          });
        });
      });
      outgoing.end(body);
    });
  }

  /** Throws ServiceError with the server's own code, Error with a sentence when no server answers. */
  async call(prefix: TargetPrefix, operation: string, input: object): Promise<Readonly<Record<string, unknown>>> {
    const body = Buffer.from(JSON.stringify(input));
    const answer = await this.forward(`${prefix}.${operation}`, body, signedLikeAClient).catch((error: Error) => {
      throw new Error(`No DynamoDB server answers at ${this.#url}: ${error.message}`, { cause: error });
    });
    const output = JSON.parse(String(answer.body)) as Record<string, unknown>;
    if (answer.status === 200) return output;
    const code = String(output.__type).replace(/^.*#/, "");
    throw new ServiceError(answer.status, code, String(output.message ?? output.Message ?? code));
  }
}

/** The server wants a signature of the right form and does not check it; the gateway has. */
const signedLikeAClient: Readonly<Record<string, string>> = {
  authorization:
    "AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0",
  "x-amz-date": "20260101T000000Z",
};
