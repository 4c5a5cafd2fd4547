// A process of the relay benchmark: the floor, what passing a request on costs in Node when nothing else is done with it.
import http from "node:http";
import type { AddressInfo } from "node:net";
import { answerAsks } from "./asking.ts";

const asks = { start };
export type FloorAsks = typeof asks;
answerAsks(asks);

/** Answers where it listens. */
function start({ upstreamUrl }: { readonly upstreamUrl: string }): Promise<string> {
  const { hostname, port, pathname } = new URL(upstreamUrl);
  const agent = new http.Agent({ keepAlive: true });
  const server = http.createServer((incoming, outgoing) => {
    const { host: _, connection: __, ...headers } = incoming.headers;
    const path = pathname + (incoming.url ?? "");
    const request = http.request({ hostname, port, path, method: incoming.method, agent, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(outgoing);
    });
    request.once("error", () => outgoing.destroy());
    incoming.pipe(request);
  });
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve(`http://127.0.0.1:${(server.address() as AddressInfo).port}`));
  });
}
