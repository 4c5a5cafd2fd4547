// An error whose message is for the person at the keyboard: what is wrong, and the cure.
export class SentenceError extends Error {
  override readonly name = "SentenceError";
}
