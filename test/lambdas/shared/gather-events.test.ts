// Events that are sent at the same time share calls, and each sender learns what became of its own.
import { expect, it } from "vitest";
import type { EventSender } from "../../../lambdas/shared/events.ts";
import { gatherEvents } from "../../../lambdas/shared/gather-events.ts";

const started = (runId: string) => ({ schedule: "s", scheduledTime: "t", runId });

/** Keeps the details of each call; a call ends when it is told to. */
function slowSender() {
  const calls: unknown[][] = [];
  const ends: ((error?: Error) => void)[] = [];
  const sender: EventSender = {
    send: (_name, details) => {
      calls.push([...details]);
      return new Promise((resolve, reject) => ends.push((error) => (error ? reject(error) : resolve())));
    },
  };
  const end = async (error?: Error) => {
    ends.shift()?.(error);
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { sender, calls, end };
}

it("what comes while a call is on its way goes with the next one, and nothing waits longer", async () => {
  const { sender, calls, end } = slowSender();
  const events = gatherEvents(sender);
  const sent = ["a", "b", "c"].map((runId) => events.send("ScheduledRunStarted", [started(runId)]));
  expect(calls).toEqual([[started("a")]]);
  await end();
  await sent[0];
  expect(calls.slice(1)).toEqual([[started("b"), started("c")]]);
  await end();
  await Promise.all(sent);
  const later = events.send("ScheduledRunStarted", [started("d")]);
  expect(calls).toHaveLength(3);
  await end();
  await later;
});

it("a call that fails fails for everybody whose event was in it, and for nobody else", async () => {
  const { sender, end } = slowSender();
  const events = gatherEvents(sender);
  const [first, second, third] = ["a", "b", "c"].map((runId) => events.send("ScheduledRunStarted", [started(runId)]));
  await end();
  await first;
  const refused = Promise.all([expect(second).rejects.toThrow("no bus"), expect(third).rejects.toThrow("no bus")]);
  await end(new Error("no bus"));
  await refused;
});

it("events of two names do not wait for one another", () => {
  const { sender, calls } = slowSender();
  const events = gatherEvents(sender);
  void events.send("ScheduledRunStarted", [started("a")]);
  void events.send("DeadLettersCleared", [{ queue: "q", holds: "h" }]);
  expect(calls).toHaveLength(2);
});
