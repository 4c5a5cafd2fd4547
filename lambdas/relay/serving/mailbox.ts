// A mailbox: one waiter, woken by whoever has something for it. Unlike Promise.race, it leaves nothing behind per round.

export class Mailbox {
  #resolve: (() => void) | undefined;
  #isFull = false;

  /** Ends the present or the next wait. */
  wake(): void {
    this.#isFull = true;
    this.#resolve?.();
    this.#resolve = undefined;
  }

  /** One waiter at a time. */
  async wait(): Promise<void> {
    if (!this.#isFull) {
      await new Promise<void>((resolve) => {
        this.#resolve = resolve;
      });
    }
    this.#isFull = false;
  }
}
