// Times and folders as words of a command: one meaning each.
import { describe, expect, it } from "vitest";
import { quoted } from "../../cli/shell-word.ts";
import { timeOf } from "../../cli/time-option.ts";

describe("a time on the command line", () => {
  it.each([
    ["2026-11-01", "2026-11-01T00:00:00.000Z"],
    ["2026-11-01T03:30Z", "2026-11-01T03:30:00.000Z"],
    ["2026-11-01 03:30:05+08:00", "2026-10-31T19:30:05.000Z"],
    ["2026-11-01t03:30:05.25z", "2026-11-01T03:30:05.250Z"],
    [" 2024-02-29 ", "2024-02-29T00:00:00.000Z"],
  ])("%s is %s, wherever the machine is", (text, time) => {
    expect(timeOf(text, "--from")).toBe(time);
  });

  it.each(["2026-11-01T10:00", "2026-11-01 10:00:00"])(
    "%s has no zone, and the machine's own is not guessed",
    (text) => {
      expect(() => timeOf(text, "--expires")).toThrow(
        /^--expires 2026-11-01.10:00(:00)? has no time zone; give one such as 2026-11-01T10:00/,
      );
    },
  );

  it.each(["", "soon", "tomorrow 5", "5", "1.5.2026", "11/01/2026", "2026-11-31", "2026-13-01", "2026-11-01T25:00Z"])(
    "%j is none",
    (text) => {
      expect(() => timeOf(text, "--from")).toThrow(/^--from .* is no time; give one such as 2026-11-01/);
    },
  );
});

describe("a folder in a command that somebody will copy", () => {
  it("is quoted where a shell would take it apart", () => {
    expect(["/data/causeway", "/my own/state", "it's", "$HOME", ""].map(quoted)).toEqual([
      "/data/causeway",
      "'/my own/state'",
      "'it'\\''s'",
      "'$HOME'",
      "''",
    ]);
  });
});
