// What a person wants to read of a state machine's Cause.

/** DynamoDB items and state payloads have limits; a stack trace does not help a person either. */
const longestCause = 2000;

/** The message inside Lambda's error object; anything else as it is. */
export function readableCause(cause: string): string {
  return messageIn(cause).slice(0, longestCause);
}

function messageIn(cause: string): string {
  try {
    const parsed: unknown = JSON.parse(cause);
    if (typeof parsed === "object" && parsed !== null && "errorMessage" in parsed) return String(parsed.errorMessage);
  } catch {
    // Not JSON: it is a sentence already.
  }
  return cause;
}
