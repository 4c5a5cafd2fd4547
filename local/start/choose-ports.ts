// The ports, chosen and found free before anything is made; and Aliyun's remembered, for links outlive a restart only there.
import { readFileSync, writeFileSync } from "node:fs";
import net from "node:net";
import path from "node:path";
import * as z from "zod";
import { SentenceError } from "./sentence-error.ts";

const aliyunPortsSchema = z.object({ rpc: z.int(), download: z.int() });

export type AliyunPorts = z.infer<typeof aliyunPortsSchema>;

const fileIn = (stateDirectory: string) => path.join(stateDirectory, "aliyun-ports.json");

/**
 * The two after `port`; for port 0 those of the last start if they are free, else undefined: any. Throws a SentenceError
 * when one is taken. Another program may still take one before it is used; then the service that wanted it says so.
 */
export async function chooseAliyunPorts(port: number, stateDirectory: string): Promise<AliyunPorts | undefined> {
  if (port === 0) {
    const last = readPorts(stateDirectory);
    return last && (await areFree(last.rpc, last.download)) ? last : undefined;
  }
  const taken: number[] = [];
  for (const needed of [port, port + 1, port + 2]) if (!(await isFree(needed))) taken.push(needed);
  if (taken.length === 0) return { rpc: port + 1, download: port + 2 };
  const which =
    taken.length === 1 ? `Port ${taken[0]} is` : `Ports ${taken.slice(0, -1).join(", ")} and ${taken.at(-1)} are`;
  throw new SentenceError(
    `${which} taken by another program; npm start needs ${port} for AWS, ${port + 1} and ${port + 2} for Aliyun. ` +
      "Choose others with --port, such as --port 5566; --port 0 takes any free ones.",
  );
}

export function rememberAliyunPorts(stateDirectory: string, ports: AliyunPorts): void {
  writeFileSync(fileIn(stateDirectory), JSON.stringify(ports));
}

function readPorts(stateDirectory: string): AliyunPorts | undefined {
  try {
    return aliyunPortsSchema.parse(JSON.parse(readFileSync(fileIn(stateDirectory), "utf8")));
  } catch {
    return undefined;
  }
}

async function areFree(...ports: readonly number[]): Promise<boolean> {
  for (const port of ports) if (!(await isFree(port))) return false;
  return true;
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const server = net.createServer();
    server.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EADDRINUSE") resolve(false);
      else if (error.code === "EACCES") {
        reject(new SentenceError(`Port ${port} is not for ordinary users. Choose one from 1024 on with --port.`));
      } else reject(error);
    });
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}
