// Waits until what was written by now is on its way: work that nobody waits for shall not keep it back.

/** A stream passes its last bytes and its end on in steps, each in a turn of the event loop: they have left by the second. */
export function afterSending(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(() => setImmediate(resolve));
  });
}
