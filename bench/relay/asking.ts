// Processes that the relay benchmark starts beside itself, and how it asks them for something: one question, one answer.
import { fork } from "node:child_process";

/** What a process can be asked for, by name. */
type Asks = Readonly<Record<string, (input: never) => unknown>>;

type Input<Ask> = Ask extends (input: infer Given) => unknown ? Given : never;
type Output<Ask> = Ask extends (input: never) => infer Got ? Awaited<Got> : never;

export interface Helper<Offered extends Asks> {
  readonly processId: number;
  /** Rejects with the process's own words, and when it has ended. */
  ask<Name extends keyof Offered & string>(name: Name, input: Input<Offered[Name]>): Promise<Output<Offered[Name]>>;
  /** Resolves when it is gone. */
  stop(): Promise<void>;
}

interface Question {
  readonly number: number;
  readonly name: string;
  readonly input: unknown;
}

interface Answer {
  readonly number: number;
  readonly output?: unknown;
  readonly error?: string;
}

interface Waiting {
  resolve(output: unknown): void;
  reject(error: Error): void;
}

const nodeOptions = ["--disable-warning=ExperimentalWarning"];
/** One that does not end in this time is killed. */
const longestStopMilliseconds = 10_000;

/** `program`: the absolute name of a file that calls `answerAsks`. `environment` comes on top of this process's own. */
export function startHelper<Offered extends Asks>(
  program: string,
  environment: Readonly<Record<string, string>> = {},
): Helper<Offered> {
  const child = fork(program, { execArgv: nodeOptions, env: { ...process.env, ...environment } });
  const waiting = new Map<number, Waiting>();
  let asked = 0;
  let end: Error | undefined;
  const exited = new Promise<void>((resolve) => {
    child.once("exit", (code, signal) => {
      end = new Error(`${program} ended with ${signal ?? code}`);
      for (const { reject } of waiting.values()) reject(end);
      resolve();
    });
  });
  child.on("message", (message) => {
    const { number, output, error } = message as Answer;
    const one = waiting.get(number);
    waiting.delete(number);
    if (error === undefined) one?.resolve(output);
    else one?.reject(new Error(error));
  });
  return {
    processId: child.pid ?? 0,
    ask: (name, input) =>
      new Promise((resolve, reject) => {
        if (end !== undefined) throw end;
        asked += 1;
        waiting.set(asked, { resolve: (output) => resolve(output as never), reject });
        const question: Question = { number: asked, name, input };
        child.send(question);
      }),
    async stop() {
      if (end !== undefined) return;
      // It ends by itself when nobody is left to ask.
      child.disconnect();
      const timer = setTimeout(() => child.kill("SIGKILL"), longestStopMilliseconds);
      await exited;
      clearTimeout(timer);
    },
  };
}

/** Called once by the program of a helper. `close`: what is to be ended in order. */
export function answerAsks(asks: Asks, close: () => Promise<void> = async () => undefined): void {
  process.on("message", (message) => {
    const { number, name, input } = message as Question;
    const work = Promise.resolve().then(() => (asks[name] as ((input: unknown) => unknown) | undefined)?.(input));
    const reply = (answer: Answer) => void process.send?.(answer);
    work.then(
      (output) => reply({ number, output }),
      (error: unknown) =>
        reply({ number, error: error instanceof Error ? (error.stack ?? error.message) : `${error}` }),
    );
  });
  // Nobody is left to serve when the parent has gone, however it went.
  process.once("disconnect", () => {
    const end = () => process.exit(0);
    close().then(end, end);
  });
}
