// The state folder of npm start: made with all that lies above it, or refused with the option and the cure.
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { claimState } from "../../local/start/claim-state.ts";
import { SentenceError } from "../../local/start/sentence-error.ts";
import { runNode } from "../run-command.ts";

const folder = mkdtempSync(path.join(tmpdir(), "causeway-claim-"));
/** Debian's user of that name. */
const nobody = 65_534;
afterAll(() => rmSync(folder, { recursive: true }));

function refusalOf(state: string): string {
  try {
    claimState(state)();
  } catch (error) {
    if (error instanceof SentenceError) return error.message;
    throw error;
  }
  throw new Error(`${state} was taken`);
}

/** Root may write anywhere: it takes another user's rights meanwhile. */
function asNobodySpecial(work: () => void): void {
  const isRoot = process.getuid?.() === 0;
  if (isRoot) process.seteuid?.(nobody);
  try {
    work();
  } finally {
    if (isRoot) process.seteuid?.(0);
  }
}

describe("a state folder", () => {
  it("is made with those above it, whatever its name, for its owner alone, and can be claimed again", () => {
    const state = path.join(folder, "my own", "数据 ü");
    for (const _ of [1, 2]) claimState(state)();
    expect(statSync(state).mode & 0o777).toBe(0o700);
    const linked = path.join(folder, "linked");
    symlinkSync(state, linked);
    claimState(linked)();
  });

  it("is refused in words where it cannot be, with the option and the cure", () => {
    const file = path.join(folder, "file");
    writeFileSync(file, "");
    const nowhere = path.join(folder, "nowhere");
    symlinkSync(path.join(folder, "gone", "away"), nowhere);
    const cases: readonly (readonly [string, RegExp])[] = [
      [file, /there is a file of this name/],
      [path.join(file, "below"), /there is a file of this name/],
      [nowhere, /it cannot be made \(EEXIST\)/],
      [path.join(folder, "x".repeat(300)), /it cannot be made \(ENAMETOOLONG\)/],
    ];
    for (const [state, why] of cases) {
      const said = refusalOf(state);
      expect(said).toMatch(why);
      expect(said).toMatch(/^--state cannot be in .*Choose a folder of yours with --state, such as /);
    }
  });

  it("is refused where nobody but others may write", () => {
    const locked = path.join(folder, "locked");
    mkdirSync(locked);
    chmodSync(locked, 0o555);
    chmodSync(folder, 0o755);
    asNobodySpecial(() => {
      expect(refusalOf(locked)).toMatch(/nothing can be written there/);
      expect(refusalOf(path.join(locked, "below"))).toMatch(/it cannot be made \(EACCES\)/);
    });
  });

  it.runIf(process.platform === "linux")("is refused at once where the system has no folders of ours", async () => {
    const { code, stderr } = await runNode(["local/start.ts", "--state", "/proc/causeway"]).ended;
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/--state cannot be in \/proc\/causeway: it cannot be made/),
    ]);
    expect(refusalOf("/proc")).toMatch(/nothing can be written there/);
  });
});
