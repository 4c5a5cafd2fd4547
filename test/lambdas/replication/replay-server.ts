// A server on loopback that answers as it is told, for answers that no stand-in gives, and recorded answers of vendors.
import { once } from "node:events";
import { readFileSync } from "node:fs";
import http from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { resolve } from "node:path";

export interface ReplayServer extends AsyncDisposable {
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  readonly requests: readonly http.IncomingMessage[];
  /** How many connections were opened so far. */
  connections(): number;
}

export async function replayServer(listener: http.RequestListener): Promise<ReplayServer> {
  const requests: http.IncomingMessage[] = [];
  const sockets = new Set<Socket>();
  const server = http.createServer((request, response) => {
    requests.push(request);
    listener(request, response);
  });
  server.on("connection", (socket) => void sockets.add(socket));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    connections: () => sockets.size,
    async [Symbol.asyncDispose]() {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

const fixtures = resolve(import.meta.dirname, "../../fixtures/replication");

/** The text of a fixture: `aliyun-rds/oss-404-no-such-key.xml`. */
export function recorded(path: string): string {
  return readFileSync(resolve(fixtures, path), "utf8");
}
