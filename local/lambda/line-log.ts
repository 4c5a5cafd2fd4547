// One invocation's output: cut into lines as it comes, and its end kept, as LogType Tail gives it.

/** Source: the Invoke operation in the AWS Lambda API Reference. */
const logTailBytes = 4096;

/** Cuts output into lines, and keeps its end. */
export class LineLog {
  tail = "";
  readonly #onLine: (line: string) => void;
  #unfinished = "";

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine;
  }

  write(text: string): void {
    this.tail = Buffer.from(this.tail + text)
      .subarray(-logTailBytes)
      .toString("utf8");
    const lines = (this.#unfinished + text).split("\n");
    this.#unfinished = lines.pop() ?? "";
    for (const line of lines) this.#onLine(line);
  }

  flush(): void {
    if (this.#unfinished !== "") this.#onLine(this.#unfinished);
    this.#unfinished = "";
  }
}
