// What API Gateway answers by itself, in the API's envelope: nobody has to read two kinds of errors.
import { type ResponseType, type RestApi, ResponseType as Type } from "aws-cdk-lib/aws-apigateway";

interface Refusal {
  readonly type: ResponseType;
  readonly status: number;
  /** An error name of lambdas/shared/errors.ts, with the status that its table gives it. */
  readonly name: string;
  readonly message: string;
  readonly retryable?: boolean;
}

const signInAgain = "Sign in first: the access token is missing, expired, or not valid here.";

export const refusals: readonly Refusal[] = [
  { type: Type.UNAUTHORIZED, status: 401, name: "Unauthenticated", message: signInAgain },
  // The authorizer denies nothing but tokens that are not valid; roles are the functions' matter.
  { type: Type.ACCESS_DENIED, status: 401, name: "Unauthenticated", message: signInAgain },
  {
    type: Type.MISSING_AUTHENTICATION_TOKEN,
    status: 404,
    name: "NotFound",
    message: "There is nothing at this address.",
  },
  { type: Type.RESOURCE_NOT_FOUND, status: 404, name: "NotFound", message: "There is nothing at this address." },
  { type: Type.REQUEST_TOO_LARGE, status: 413, name: "BodyTooLarge", message: "The body is too large." },
  {
    type: Type.UNSUPPORTED_MEDIA_TYPE,
    status: 415,
    name: "UnsupportedMediaType",
    message: "Send the body as application/json in UTF-8.",
  },
  {
    type: Type.THROTTLED,
    status: 429,
    name: "TooManyRequests",
    message: "Too many requests at once. Wait a moment, then try again.",
    retryable: true,
  },
  {
    type: Type.QUOTA_EXCEEDED,
    status: 429,
    name: "TooManyRequests",
    message: "Too many requests. Wait a moment, then try again.",
    retryable: true,
  },
  ...[
    Type.AUTHORIZER_FAILURE,
    Type.AUTHORIZER_CONFIGURATION_ERROR,
    Type.INTEGRATION_FAILURE,
    Type.INTEGRATION_TIMEOUT,
  ].map((type) => ({
    type,
    status: 503,
    name: "AwsUnavailable",
    message: "A service that this needs did not answer well. Try again.",
    retryable: true,
  })),
  { type: Type.DEFAULT_4XX, status: 400, name: "InputInvalid", message: "API Gateway does not take this request." },
  { type: Type.DEFAULT_5XX, status: 500, name: "UnexpectedFailure", message: "Something went wrong inside." },
];

/** The same as securityHeaders of lambdas/shared/envelope.ts; a test compares the two. */
export const refusalHeaders = {
  "X-Content-Type-Options": "nosniff",
  "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
  "Referrer-Policy": "no-referrer",
  "Strict-Transport-Security": "max-age=31536000",
  "Cache-Control": "no-store",
} as const;

export function addGatewayResponses(api: RestApi): void {
  const fixed = Object.fromEntries(Object.entries(refusalHeaders).map(([name, value]) => [name, `'${value}'`]));
  for (const { type, status, name, message, retryable = false } of refusals) {
    const data = { name, fields: [], retryable, requestId: "$context.requestId" };
    api.addGatewayResponse(`Refusal${type.responseType}`, {
      type,
      statusCode: String(status),
      responseHeaders: {
        ...fixed,
        "X-Request-Id": "context.requestId",
        ...(retryable && { "Retry-After": "'5'" }),
        ...(status === 401 && { "WWW-Authenticate": `'Bearer realm="causeway"'` }),
      },
      templates: { "application/json": JSON.stringify({ code: status, message, data }) },
    });
  }
}
