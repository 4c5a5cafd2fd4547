// Aliyun's error codes under Causeway's names. The code decides, not the HTTP status: RDS answers 400 where others say 404.

import { isPassingConnectionError } from "../../shared/aws-errors.ts";
import { CausewayError, messageOf } from "../../shared/errors.ts";

interface AliyunError extends Error {
  readonly code?: string;
  readonly statusCode?: number;
}

const credentialCodes =
  /^(InvalidAccessKeyId|SignatureDoesNotMatch|IncompleteSignature|InvalidSecurityToken|Forbidden\.AccessKey)/;
/** A nonce used twice is a request sent twice: the next one has a nonce of its own. */
const passingCodes =
  /^(ServiceUnavailable|InternalError|SignatureNonceUsed|RequestTimeout|OperationDenied\.DBInstanceStatus|IncorrectDBInstanceStatus)/;

export function aliyunError(error: unknown): unknown {
  if (error instanceof CausewayError || !(error instanceof Error)) return error;
  const { code = "", statusCode = 0 } = error as AliyunError;
  const said = `Aliyun RDS: ${code || error.name}: ${messageOf(error)}`;
  const options = { cause: error, details: { code, statusCode } };
  if (/^Throttling/.test(code)) return new CausewayError("SourceThrottled", said, options);
  if (passingCodes.test(code) || statusCode >= 500 || isPassingConnectionError(error) || isTimeout(error)) {
    return new CausewayError("SourceUnavailable", said, options);
  }
  // An HTML error page of a gateway in between surfaces as a bare SyntaxError of the SDK's JSON parser.
  if (error instanceof SyntaxError || error.name === "SyntaxError") {
    return new CausewayError("SourceUnavailable", "Aliyun RDS answered something that is not JSON.", options);
  }
  return new CausewayError("SourceRefused", said, options);
}

export function isCredentialProblem(error: unknown): boolean {
  return error instanceof CausewayError && credentialCodes.test(String(error.details.code ?? ""));
}

function isTimeout(error: Error): boolean {
  return /timeout|timed out|socket hang up/i.test(error.message);
}
