// What the process writes while a test runs, kept instead of shown: the log, and whatever else would reach CloudWatch.
import { vi } from "vitest";

export interface CapturedOutput {
  /** Everything written so far. */
  text(): string;
  /** The lines that are JSON. */
  lines(): Record<string, unknown>[];
  clear(): void;
}

/** Until `vi.restoreAllMocks()`. */
export function captureOutput(): CapturedOutput {
  let text = "";
  for (const stream of [process.stdout, process.stderr]) {
    vi.spyOn(stream, "write").mockImplementation((chunk) => {
      text += String(chunk);
      return true;
    });
  }
  for (const method of ["log", "info", "warn", "error"] as const) {
    vi.spyOn(console, method).mockImplementation((...said: unknown[]) => {
      text += `${said.map(String).join(" ")}\n`;
    });
  }
  return {
    text: () => text,
    lines: () =>
      text
        .split("\n")
        .filter((line) => line.startsWith("{"))
        .map((line) => JSON.parse(line) as Record<string, unknown>),
    clear: () => {
      text = "";
    },
  };
}
