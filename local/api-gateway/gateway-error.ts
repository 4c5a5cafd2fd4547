// What API Gateway itself answers when a call does not get through, by its name in the API.
// Source: "Gateway response types for API Gateway" and "Set up gateway responses" in the API Gateway Developer Guide.

interface ResponseType {
  readonly status: number;
  /** In the header x-amzn-ErrorType. */
  readonly errorType: string;
}

const responseTypes = {
  ACCESS_DENIED: { status: 403, errorType: "AccessDeniedException" },
  API_CONFIGURATION_ERROR: { status: 500, errorType: "InternalServerErrorException" },
  AUTHORIZER_CONFIGURATION_ERROR: { status: 500, errorType: "AuthorizerConfigurationException" },
  AUTHORIZER_FAILURE: { status: 500, errorType: "AuthorizerFailureException" },
  BAD_REQUEST_PARAMETERS: { status: 400, errorType: "BadRequestException" },
  INTEGRATION_FAILURE: { status: 504, errorType: "InternalServerErrorException" },
  INTEGRATION_TIMEOUT: { status: 504, errorType: "InternalServerErrorException" },
  MISSING_AUTHENTICATION_TOKEN: { status: 403, errorType: "MissingAuthenticationTokenException" },
  REQUEST_TOO_LARGE: { status: 413, errorType: "RequestTooLargeException" },
  THROTTLED: { status: 429, errorType: "TooManyRequestsException" },
  UNAUTHORIZED: { status: 401, errorType: "UnauthorizedException" },
  /** For what has no type of its own, such as a function's malformed answer. */
  DEFAULT_5XX: { status: 500, errorType: "InternalServerErrorException" },
} as const satisfies Record<string, ResponseType>;

export type ResponseTypeName = keyof typeof responseTypes;

/** Ends a call; `message` null is what AWS says when an authorizer fails. */
export class GatewayError extends Error {
  override readonly name = "GatewayError";
  readonly responseType: ResponseTypeName;
  /** Of the type, unless the case has another. */
  readonly status: number;
  readonly errorType: string;
  readonly text: string | null;

  constructor(responseType: ResponseTypeName, text: string | null, status?: number) {
    super(text ?? responseType);
    this.responseType = responseType;
    this.status = status ?? responseTypes[responseType].status;
    this.errorType = responseTypes[responseType].errorType;
    this.text = text;
  }
}

/** What a client sees of every fault behind API Gateway. */
export function internalServerError(responseType: ResponseTypeName, status?: number): GatewayError {
  return new GatewayError(responseType, "Internal server error", status);
}
