// Calls a Lambda function with the role of a state machine, and names its failures as Step Functions does.
import type { Principal } from "../gateway/service.ts";
import { ServiceError } from "../gateway/service.ts";
import type { Json } from "./json.ts";
import { parseJson } from "./json.ts";
import type { Runtime } from "./runtime.ts";
import { WorkflowError } from "./workflow-error.ts";

/** Errors of the Lambda API with a name of their own; any other is Lambda.AWSLambdaException, a refusal included. */
const namedLambdaErrors = new Set([
  "TooManyRequestsException",
  "ResourceNotFoundException",
  "ServiceException",
  "ResourceNotReadyException",
  "RequestTooLargeException",
  "InvalidRequestContentException",
]);

/** The handler's result. A handler's error keeps its errorType as name; its cause is Lambda's JSON error object. */
export async function invokeFunction(
  runtime: Runtime,
  role: Principal,
  functionArn: string,
  payload: Json,
  signal: AbortSignal,
): Promise<Json> {
  try {
    runtime.context.authorize(role, "lambda:InvokeFunction", functionArn);
    const result = await runtime.lambda.invoke(unqualified(functionArn), JSON.stringify(payload), signal);
    if (result.error) throw new WorkflowError(result.error.errorType || "Lambda.Unknown", result.payload);
    return result.payload === "" ? null : parseJson(result.payload);
  } catch (error) {
    if (signal.aborted || error instanceof WorkflowError) throw error;
    if (error instanceof ServiceError) {
      const name = namedLambdaErrors.has(error.code) ? error.code : "AWSLambdaException";
      throw new WorkflowError(
        `Lambda.${name}`,
        `${error.message} (Service: AWSLambda; Status Code: ${error.status}; Error Code: ${error.code})`,
      );
    }
    throw new WorkflowError("Lambda.SdkClientException", error instanceof Error ? error.message : String(error));
  }
}

/** Without `:$LATEST` or an alias: the local cloud has one version of a function. */
function unqualified(functionArn: string): string {
  return functionArn.split(":").slice(0, 7).join(":");
}
