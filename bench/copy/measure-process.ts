// Runs one program to its end and says what it took: time, processor seconds, and the most memory it ever held.
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";

export interface Measured {
  readonly seconds: number;
  /** User and system. */
  readonly cpuSeconds: number;
  readonly peakRssMiB: number;
}

const pollMilliseconds = 10;
/** Of /proc/<pid>/stat, always 100 on Linux for what user programs see. */
const ticksPerSecond = 100;
const mostOutputCharacters = 2_000;

/** Linux only. Throws with the program's own words when it fails or takes longer than `mostSeconds`. */
export function measureProcess(
  command: string,
  argumentList: readonly string[],
  environment: NodeJS.ProcessEnv,
  mostSeconds: number,
): Promise<Measured> {
  return new Promise((resolve, reject) => {
    const startedAt = performance.now();
    const child = spawn(command, argumentList, { env: environment, stdio: ["ignore", "pipe", "pipe"] });
    let said = "";
    const hear = (chunk: Buffer) => {
      said = (said + chunk.toString("utf8")).slice(-mostOutputCharacters);
    };
    child.stdout.on("data", hear);
    child.stderr.on("data", hear);
    let [cpuSeconds, peakRssMiB] = [0, 0];
    const look = () => {
      const now = readUsage(child.pid ?? 0);
      if (now === undefined) return;
      cpuSeconds = now.cpuSeconds;
      peakRssMiB = Math.max(peakRssMiB, now.peakRssMiB);
    };
    // What a process took is gone once it is reaped, so it is read until then; at most one interval is missed.
    const timer = setInterval(look, pollMilliseconds);
    const deadline = setTimeout(() => child.kill("SIGKILL"), mostSeconds * 1000);
    child.once("error", (error) => finish(error));
    child.once("exit", (code, signal) => {
      if (code === 0) finish();
      else finish(new Error(`${command} ended with ${signal ?? code}:\n${said}`));
    });
    function finish(error?: Error): void {
      clearInterval(timer);
      clearTimeout(deadline);
      if (error) reject(error);
      else resolve({ seconds: (performance.now() - startedAt) / 1000, cpuSeconds, peakRssMiB });
    }
  });
}

/** Of a process since its start. Nothing when it is gone. */
export function readUsage(processId: number): Omit<Measured, "seconds"> | undefined {
  try {
    const stat = readFileSync(`/proc/${processId}/stat`, "utf8");
    // The second field is the program's name in brackets, and may hold spaces; utime and stime are the 14th and 15th.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const status = readFileSync(`/proc/${processId}/status`, "utf8");
    const peakKiB = Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0);
    return { cpuSeconds: (Number(fields[11]) + Number(fields[12])) / ticksPerSecond, peakRssMiB: peakKiB / 1024 };
  } catch {
    return undefined;
  }
}
