// What went wrong between the command and the API, as sentences with their cure.
import type { FailureData } from "../../lambdas/shared/http-errors.ts";

/** The API answered, and refused. */
export class ApiProblem extends Error {
  override readonly name = "ApiProblem";
  readonly status: number;
  readonly data: FailureData;

  constructor(status: number, message: string, data: FailureData) {
    super(message);
    this.status = status;
    this.data = data;
  }
}

const networkSentences: Readonly<Record<string, string>> = {
  ENOTFOUND: "its name is not known",
  EAI_AGAIN: "its name cannot be looked up now",
  ECONNREFUSED: "nothing listens there",
  ECONNRESET: "the connection was cut",
  UND_ERR_SOCKET: "the connection was cut",
  ETIMEDOUT: "it does not answer",
  UND_ERR_CONNECT_TIMEOUT: "it does not answer",
  UND_ERR_HEADERS_TIMEOUT: "it does not answer",
  EHOSTUNREACH: "there is no way to it",
  ENETUNREACH: "there is no network",
  CERT_HAS_EXPIRED: "its certificate has expired",
  DEPTH_ZERO_SELF_SIGNED_CERT: "its certificate is its own",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "its certificate is of nobody known",
};

/** Worth another try: the other side may be back in a moment. */
const passingCodes = new Set(["ECONNRESET", "UND_ERR_SOCKET", "ETIMEDOUT", "EAI_AGAIN", "UND_ERR_CONNECT_TIMEOUT"]);

/** Node wraps what `fetch` met, and several attempts to connect. */
function codeOf(error: unknown): string | undefined {
  for (let inner: unknown = error; inner instanceof Error; inner = inner.cause ?? firstOf(inner)) {
    if (inner.name === "TimeoutError") return "ETIMEDOUT";
    const { code } = inner as NodeJS.ErrnoException;
    if (typeof code === "string" && networkSentences[code] !== undefined) return code;
  }
  return undefined;
}

const firstOf = (error: Error): unknown => (error instanceof AggregateError ? error.errors[0] : undefined);

/** What else `fetch` gives as its cause: a redirect, a certificate, a port that it does not call. */
function reasonOf(error: unknown): string | undefined {
  if (!(error instanceof TypeError && error.message === "fetch failed")) return undefined;
  return error.cause instanceof Error ? error.cause.message : "no reason is given";
}

export function isPassing(error: unknown): boolean {
  return passingCodes.has(codeOf(error) ?? "");
}

/** Undefined where it is no problem of the network's. */
export function unreachableSentence(error: unknown, address: string, isLocal: boolean): string | undefined {
  const why = networkSentences[codeOf(error) ?? ""] ?? reasonOf(error);
  if (why === undefined) return undefined;
  const cure = isLocal ? "Is npm start still running?" : "Check the address and the network.";
  return `${new URL(address).host} cannot be reached: ${why}. ${cure}`;
}

/** The server's own sentence, and what to do about it here. `again`: how to sign in to this API. */
export function problemSentence({ status, message, data }: ApiProblem, again: string): string {
  if (status === 401) return `You are not signed in, or your sign-in has ended. Run: ${again}`;
  if (status === 403) return `${message} Ask an admin for that role, or sign in as somebody who has it: ${again}`;
  if (status === 412)
    return "Somebody else has changed it in this moment. Look at what it is now, and give the command again.";
  const fields = data.fields.map(({ field, problem }) => `  ${field}: ${problem}`);
  const head = fields.length > 0 ? "The API refuses this:" : message;
  const id = status >= 500 ? [`  (request ${data.requestId})`] : [];
  return [head, ...fields, ...id].join("\n");
}
