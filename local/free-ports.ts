// Ports that stay free though they are let go for a moment: for servers that are to come back to the same address.
import net from "node:net";

/**
 * Systems give higher ones to whoever asks for any, Linux from 32768 on, macOS and Windows from 49152 on
 * (ip_local_port_range; RFC 6335): one of those may be gone as soon as it is let go, be it to an outgoing connection.
 */
const firstPort = 10_000;
const portsToChooseFrom = 10_000;
const mostTries = 200;

/** The first of `count` free ports in a row, chosen by lot. Throws an Error when it finds none. */
export async function findFreeRow(count: number): Promise<number> {
  for (let tries = 0; tries < mostTries; tries += 1) {
    const first = firstPort + Math.floor(Math.random() * (portsToChooseFrom - count));
    if (await areFree(Array.from({ length: count }, (_, offset) => first + offset))) return first;
  }
  throw new Error(
    `There are no ${count} free ports in a row between ${firstPort} and ${firstPort + portsToChooseFrom}. End some of the programs that listen there.`,
  );
}

export async function areFree(ports: readonly number[]): Promise<boolean> {
  for (const port of ports) if (!(await isFree(port))) return false;
  return true;
}

/** Whether a server could listen at 127.0.0.1. Rejects with the system's error when it may not at all (EACCES). */
export function isFree(port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const server = net.createServer();
    server.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EADDRINUSE") resolve(false);
      else reject(error);
    });
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}
