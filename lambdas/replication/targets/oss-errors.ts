// OSS's error codes under Causeway's names, as ali-oss 6 tells them. Source: OSS API reference, "Error responses".
import { CausewayError, messageOf } from "../../shared/errors.ts";

interface OssError extends Error {
  readonly code?: string;
  /** Of HTTP; -1 and -2: no answer at all. */
  readonly status?: number;
  readonly requestId?: string;
  /** OSS's own finer number of the reason, such as 0003-00000001. */
  readonly ecCode?: string;
}

const credentialCodes =
  /^(InvalidAccessKeyId|SignatureDoesNotMatch|InvalidSecurityToken|SecurityTokenExpired|SecurityTokenNotSupported)$/;
const passingCodes =
  /^(InternalError|ServiceUnavailable|RequestTimeout|OperationAborted|SlowDown|.*(QpsLimit|TrafficRateLimit|TrafficLimit)Exceeded)$/;

const tooManyRequests = 429;
const firstServerError = 500;

/** Refused for the key pair: another one may be in the secret by now. */
export function isCredentialProblem(error: unknown): boolean {
  return error instanceof CausewayError && credentialCodes.test(String(error.details.code ?? ""));
}

/** OSS's errors as the port's. ali-oss's own error is not passed on as the cause: it carries the whole request. */
export function ossError(thrown: unknown): unknown {
  if (thrown instanceof CausewayError || !(thrown instanceof Error)) return thrown;
  const { code = "", status = 0, requestId, ecCode } = thrown as OssError;
  const said = `${status > 0 ? `${status} ` : ""}${code || thrown.name}: ${messageOf(thrown)}`;
  const named = (name: ConstructorParameters<typeof CausewayError>[0], sentence: string) =>
    new CausewayError(name, `${sentence} (${said}).`, { details: { code, status, requestId, ecCode } });
  switch (code) {
    case "NoSuchUpload":
      return named("UploadLost", "OSS no longer knows the upload");
    case "InvalidPart":
    case "InvalidPartOrder":
      return named("PartsMissing", "OSS does not hold a part as it was listed");
    case "FileAlreadyExists":
    case "ObjectAlreadyExists":
    case "PreconditionFailed":
      return named("TargetExists", "OSS has an object there already");
    case "InvalidDigest":
    case "BadDigest":
      return named("PartDamaged", "What reached OSS is not what was sent");
    case "RequestTimeTooSkewed":
      return named(
        "TargetRefused",
        "OSS refused the call because the clock here and the clock there are more than 15 minutes apart: set the clock right",
      );
    default:
  }
  const passing = status < 0 || status >= firstServerError || status === tooManyRequests || passingCodes.test(code);
  if (passing) return named("TargetUnavailable", "OSS did not answer well");
  return named("TargetRefused", "OSS refused the call");
}
