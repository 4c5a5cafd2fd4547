// Being told to stop: Ctrl-C, a closed terminal, SIGTERM, or nobody reading the output any more.

/** Thrown by what was given up because of it. */
export class Interrupted extends Error {
  override readonly name = "Interrupted";
}

export interface Stop {
  readonly signal: AbortSignal;
  readonly stopped: Promise<void>;
  /** The work's result, or Interrupted as soon as it is told to stop; the work itself is not ended by this. */
  unlessStopped<Result>(work: Promise<Result>): Promise<Result>;
}

/** From here on these signals no longer end the process; a second one changes nothing. */
export function listenForStop(): Stop {
  const controller = new AbortController();
  const { signal } = controller;
  const onStop = () => controller.abort(new Interrupted("told to stop"));
  process.on("SIGINT", onStop).on("SIGTERM", onStop).on("SIGHUP", onStop);
  // `npm start | head` closes the pipe early: nothing is left to be shown.
  for (const stream of [process.stdout, process.stderr]) stream.on("error", onStop);
  const stopped = new Promise<void>((resolve) => {
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
  return {
    signal,
    stopped,
    unlessStopped: (work) =>
      Promise.race([
        work,
        stopped.then(() => {
          throw signal.reason;
        }),
      ]),
  };
}
