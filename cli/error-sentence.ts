// What went wrong, as one sentence with its cure: AWS's and the network's errors in the words of whoever types the command.
import { UsageProblem } from "./usage-problem.ts";

const credentialsCure =
  "Sign in (aws sso login, or set AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY) and try again.";

/** By the name that the SDK or AWS gives the error. */
const sentences: Readonly<Record<string, (said: string) => string>> = {
  CredentialsProviderError: () => `No AWS credentials were found. ${credentialsCure}`,
  ...forEach(
    ["ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"],
    () => () => `The AWS credentials have expired. ${credentialsCure}`,
  ),
  ...forEach(
    [
      "InvalidAccessKeyId",
      "InvalidClientTokenId",
      "UnrecognizedClientException",
      "InvalidSignatureException",
      "SignatureDoesNotMatch",
    ],
    () => () => `AWS does not know these credentials. ${credentialsCure}`,
  ),
  ...forEach(
    ["AccessDenied", "AccessDeniedException", "Forbidden", "403"],
    () => (said: string) =>
      `AWS refuses this to you: ${said} Ask for the permission, or sign in as somebody who has it (AWS_PROFILE).`,
  ),
  NoSuchBucket: () => "There is no such bucket, or it is another account's. Check the address, and AWS_PROFILE.",
  NoSuchKey: () => "The bucket has no object of this key. Check the address.",
  PermanentRedirect: () => "The bucket is in another region. Set AWS_REGION to it.",
  ...forEach(
    ["AuthorizationHeaderMalformed"],
    () => (said: string) => `AWS expects another region: ${said} Set AWS_REGION to it.`,
  ),
  ...forEach(
    ["ThrottlingException", "SlowDown", "TooManyRequestsException", "RequestLimitExceeded"],
    () => () => "AWS asks to slow down. Try again in a minute.",
  ),
};

const networkSentences: Readonly<Record<string, string>> = {
  ENOTFOUND: "its name is not known",
  EAI_AGAIN: "its name cannot be looked up now",
  ECONNREFUSED: "nothing listens there",
  ECONNRESET: "the connection was cut",
  ETIMEDOUT: "it does not answer",
  EHOSTUNREACH: "there is no way to it",
  ENETUNREACH: "there is no network",
};

export function errorSentence(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof UsageProblem) return error.message;
  // The SDK wraps what it finds, and Node wraps several attempts to connect.
  for (let inner: unknown = error; inner instanceof Error; inner = inner.cause ?? firstOf(inner)) {
    const network = networkSentences[(inner as NodeJS.ErrnoException).code ?? ""];
    if (network !== undefined) return unreachable(inner, network);
    const known = sentences[inner.name];
    if (known !== undefined) return known(endedWithStop(inner.message));
  }
  if (/region is missing/i.test(error.message))
    return "No AWS region is set. Set AWS_REGION, or a region in the profile.";
  return endedWithStop(error.message || error.name);
}

function unreachable(
  error: NodeJS.ErrnoException & { hostname?: string; address?: string; port?: number },
  why: string,
) {
  const endpoint = process.env.AWS_ENDPOINT_URL;
  const where = error.hostname ?? (error.address ? `${error.address}:${error.port}` : (endpoint ?? "AWS"));
  const isLocal = endpoint !== undefined && /127\.0\.0\.1|localhost/.test(endpoint);
  const cure = isLocal ? "Is npm start running?" : "Check the network and AWS_REGION.";
  return `${where} cannot be reached: ${why}. ${cure}`;
}

function firstOf(error: Error): unknown {
  return error instanceof AggregateError ? error.errors[0] : undefined;
}

function endedWithStop(text: string): string {
  // What the SDK makes of an answer without a body, such as that to a HEAD.
  if (text === "UnknownError") return "it gives no reason.";
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

function forEach<Value>(names: readonly string[], make: (name: string) => Value): Record<string, Value> {
  return Object.fromEntries(names.map((name) => [name, make(name)]));
}
