// The ports, chosen and found free before anything is made, and remembered: links and tokens outlive a restart only there.
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import * as z from "zod";
import type { BootOptions } from "../boot-options.ts";
import { areFree, findFreeRow, isFree } from "../free-ports.ts";
import { portOffsets, portsAfterFirst } from "./port-offsets.ts";
import { SentenceError } from "./sentence-error.ts";

const portsSchema = z.record(z.enum(Object.keys(portOffsets) as (keyof typeof portOffsets)[]), z.int());

type Ports = z.infer<typeof portsSchema>;

/** What of BootOptions says where the servers beside AWS listen. */
export type ChosenPorts = Pick<BootOptions, "aliyunPorts" | "ossPort" | "frontPorts" | "wecomPort" | "aiUpstreamPort">;

/** Below it there is another row of ports, a thousand further up. */
const mostSuggested = 60_000;

const fileIn = (stateDirectory: string) => path.join(stateDirectory, "ports.json");

/**
 * Those after `port`; for port 0 those of the last start if they are free, else any free row. Throws a SentenceError
 * when one is taken. Another program may still take one before it is used; then the service that wanted it says so.
 */
export async function choosePorts(port: number, stateDirectory: string): Promise<ChosenPorts> {
  if (port === 0) {
    const last = readPorts(stateDirectory);
    if (last && (await areFree(Object.values(last)))) return asOptions(last);
    return rowAfter(await findFreeRow(1 + portsAfterFirst));
  }
  const taken: number[] = [];
  for (const offset of [0, ...Object.values(portOffsets)]) {
    if (!(await mayListen(port + offset))) taken.push(port + offset);
  }
  if (taken.length === 0) return rowAfter(port);
  const which =
    taken.length === 1 ? `Port ${taken[0]} is` : `Ports ${taken.slice(0, -1).join(", ")} and ${taken.at(-1)} are`;
  throw new SentenceError(
    `${which} taken by another program; npm start needs ${port} for AWS, ${port + 1} and ${port + 2} for Aliyun RDS, ` +
      `and those up to ${port + portsAfterFirst} for OSS, the sign-in, the relay, the HTTP API, WeCom and the AI upstream. ` +
      `Choose others with --port, such as --port ${port < mostSuggested ? port + 1000 : port - 1000}; --port 0 takes any free ones.`,
  );
}

export function rememberPorts(stateDirectory: string, chosen: Required<ChosenPorts>): void {
  const { aliyunPorts, ossPort, frontPorts, wecomPort, aiUpstreamPort } = chosen;
  const [api = 0, secondApi = 0] = frontPorts?.apis ?? [];
  const ports: Ports = {
    ...{ rpc: aliyunPorts?.rpc ?? 0, download: aliyunPorts?.download ?? 0, oss: ossPort ?? 0, wecom: wecomPort ?? 0 },
    ...{ signIn: frontPorts?.signIn ?? 0, api, secondApi, aiUpstream: aiUpstreamPort ?? 0 },
  };
  writeFileSync(fileIn(stateDirectory), JSON.stringify(ports));
}

function rowAfter(first: number): ChosenPorts {
  const entries = Object.entries(portOffsets).map(([name, offset]) => [name, first + offset] as const);
  return asOptions(portsSchema.parse(Object.fromEntries(entries)));
}

function asOptions({ rpc, download, oss, signIn, api, secondApi, wecom, aiUpstream }: Ports): ChosenPorts {
  return {
    aliyunPorts: { rpc, download },
    ossPort: oss,
    frontPorts: { signIn, apis: [api, secondApi] },
    wecomPort: wecom,
    aiUpstreamPort: aiUpstream,
  };
}

function readPorts(stateDirectory: string): Ports | undefined {
  try {
    return portsSchema.parse(JSON.parse(readFileSync(fileIn(stateDirectory), "utf8")));
  } catch {
    return undefined;
  }
}

async function mayListen(port: number): Promise<boolean> {
  try {
    return await isFree(port);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EACCES") throw error;
    throw new SentenceError(`Port ${port} is not for ordinary users. Choose one from 1024 on with --port.`);
  }
}
