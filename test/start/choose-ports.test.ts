// Which ports npm start takes: a row of them, or the last start's, and a sentence when another program is there.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { choosePorts, rememberPorts } from "../../local/start/choose-ports.ts";

const folder = mkdtempSync(path.join(tmpdir(), "ports-"));
const noState = path.join(folder, "none");
afterAll(() => rmSync(folder, { recursive: true }));

/** Below the ports that systems give away: what is let go stays free, though other tests ask for ports meanwhile. */
async function occupy(): Promise<net.Server & { readonly port: number }> {
  for (let port = 25_000; port < 26_000; port += 10) {
    const server = net.createServer();
    const isMine = await new Promise<boolean>((resolve) => {
      server.once("error", () => resolve(false)).listen(port, "127.0.0.1", () => resolve(true));
    });
    if (isMine) return Object.assign(server, { port });
  }
  throw new Error("no port is free");
}

describe("the ports of npm start", () => {
  it("follow the first one", async () => {
    // Whichever row is free: another test may hold some port of any.
    for (const first of [21_000, 22_000, 23_000, 24_000]) {
      const chosen = await choosePorts(first, folder).catch(() => undefined);
      if (!chosen) continue;
      expect(chosen).toEqual({
        aliyunPorts: { rpc: first + 1, download: first + 2 },
        ossPort: first + 3,
        frontPorts: { signIn: first + 4, apis: [first + 5, first + 6] },
        wecomPort: first + 7,
        aiUpstreamPort: first + 8,
      });
      return;
    }
    expect.unreachable("no row of nine ports is free");
  });

  it("are the last start's where any will do, if they are still free", async () => {
    const other = await occupy();
    const last = {
      ...{ aliyunPorts: { rpc: other.port, download: 0 }, ossPort: 0, wecomPort: 0, aiUpstreamPort: 0 },
      frontPorts: { signIn: 0, apis: [0, 0] },
    };
    rememberPorts(folder, last);
    expect(await choosePorts(0, folder)).not.toEqual(last);
    await new Promise((resolve) => other.close(resolve));
    expect(await choosePorts(0, folder)).toEqual(last);
    writeFileSync(path.join(folder, "ports.json"), "torn");
    expect(await choosePorts(0, folder)).not.toEqual(last);
  });

  it("are otherwise a free row below those that systems give away, where the next start finds them free again", async () => {
    const { aliyunPorts, ossPort = 0, frontPorts, wecomPort = 0, aiUpstreamPort = 0 } = await choosePorts(0, noState);
    const row = [aliyunPorts?.rpc, aliyunPorts?.download, ossPort, frontPorts?.signIn, ...(frontPorts?.apis ?? [])];
    const first = Number(aliyunPorts?.rpc);
    expect([...row, wecomPort, aiUpstreamPort]).toEqual(Array.from({ length: 8 }, (_, offset) => first + offset));
    expect(first).toBeGreaterThan(1024);
    expect(aiUpstreamPort).toBeLessThan(32_768);
  });

  it("are named when another program has them", async () => {
    const other = await occupy();
    await expect(choosePorts(other.port - 4, folder)).rejects.toThrow(
      new RegExp(`Ports? .*${other.port}.* taken by another program; npm start needs ${other.port - 4} for AWS`),
    );
    // Others are proposed, not the same ones again.
    const complaint = await choosePorts(other.port, folder).catch(String);
    const [, proposed] = /such as --port (\d+)/.exec(String(complaint)) ?? [];
    expect(Math.abs(Number(proposed) - other.port)).toBe(1000);
    await new Promise((resolve) => other.close(resolve));
  });
});
