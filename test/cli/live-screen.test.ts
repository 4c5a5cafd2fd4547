// The block that is drawn in place: nothing left over, nothing broken, nothing drawn where nobody looks.
import { describe, expect, it } from "vitest";
import { LiveScreen } from "../../cli/live-screen.ts";
import { Screen } from "./screen.ts";

describe("on a terminal", () => {
  it("draws a block again in its place, and leaves nothing of a longer one", () => {
    const terminal = new Screen(80, 24);
    const screen = new LiveScreen(terminal);
    screen.say("run started");
    screen.draw(["first line, a long one", "second", "third"]);
    expect(terminal.cursorHidden).toBe(true);
    screen.draw(["first", "2"]);
    expect(terminal.lines).toEqual(["run started", "first", "2"]);
  });

  it("puts a line that stays above the block", () => {
    const terminal = new Screen(80, 24);
    const screen = new LiveScreen(terminal);
    screen.draw(["working", "50%"]);
    screen.say("note: a defect");
    screen.draw(["working", "60%"]);
    expect(terminal.lines).toEqual(["note: a defect", "working", "60%"]);
    screen.clear();
    expect(terminal.lines).toEqual(["note: a defect"]);
    expect(terminal.cursorHidden).toBe(false);
  });

  it("does not write again what already stands there, and writes a frame in one piece", () => {
    const terminal = new Screen(80, 24);
    const screen = new LiveScreen(terminal);
    screen.draw(["a", "b"]);
    screen.draw(["a", "b"]);
    screen.clear();
    screen.clear();
    expect(terminal.writes).toBe(2);
  });

  it("finds its first line when a narrower terminal has broken the drawn ones", () => {
    const terminal = new Screen(40, 24);
    const screen = new LiveScreen(terminal);
    screen.say("above");
    terminal.columns = 20;
    // The lines as the narrow terminal shows them: the first one fills two rows.
    screen.draw(["0123456789".repeat(3), "x"]);
    expect(terminal.lines).toEqual(["above", "01234567890123456789", "0123456789", "x"]);
    screen.draw(["now narrow"]);
    expect(terminal.lines).toEqual(["above", "now narrow"]);
  });

  it("keeps the last column free", () => {
    expect(new LiveScreen(new Screen(80, 24)).columns).toBe(79);
  });
});

describe("elsewhere", () => {
  it("says lines, draws nothing, and sends no control character", () => {
    let written = "";
    const screen = new LiveScreen({ write: (text) => (written += text) });
    screen.draw(["block"]);
    screen.say("a line");
    screen.clear();
    expect(written).toBe("a line\n");
    expect(screen.columns).toBe(Number.POSITIVE_INFINITY);
  });
});
