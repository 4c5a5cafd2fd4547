// What a Task's Resource names: a Lambda function, or a call of an AWS SDK. Everything else is refused by name.

export interface LambdaFunctionResource {
  readonly kind: "lambda-function";
  readonly functionArn: string;
}

export interface LambdaInvokeResource {
  readonly kind: "lambda-invoke";
}

export interface SdkResource {
  readonly kind: "sdk";
  readonly service: SdkServiceName;
  /** Camel-case, as in the ARN: `putItem`. */
  readonly action: string;
}

export type TaskResource = LambdaFunctionResource | LambdaInvokeResource | SdkResource;

/** Services of `arn:aws:states:::aws-sdk:<service>:<action>`, and what Step Functions puts before their errors. */
export const sdkErrorPrefixes = {
  s3: "S3",
  dynamodb: "DynamoDb",
  sfn: "Sfn",
  sqs: "Sqs",
  eventbridge: "EventBridge",
  secretsmanager: "SecretsManager",
  kms: "Kms",
  lambda: "Lambda",
} as const;

export type SdkServiceName = keyof typeof sdkErrorPrefixes;

/** The resource, or a sentence on why it is refused. */
export function readResource(resource: string): TaskResource | string {
  if (/^arn:aws[\w-]*:lambda:[\w-]+:\d{12}:function:[\w-]+(:[\w$-]+)?$/.test(resource)) {
    return { kind: "lambda-function", functionArn: resource };
  }
  const integration = /^arn:aws[\w-]*:states:[\w-]*:\d*:(.+)$/.exec(resource)?.[1];
  if (integration === undefined) return `the resource '${resource}' is not known`;
  if (/\.(waitForTaskToken|sync(:2)?)$/.test(integration)) {
    return `the integration pattern of '${resource}' is not supported: only request-response is`;
  }
  if (integration === "lambda:invoke") return { kind: "lambda-invoke" };
  const [family, service, action, ...rest] = integration.split(":");
  if (family === "aws-sdk" && service !== undefined && action !== undefined && rest.length === 0) {
    if (Object.hasOwn(sdkErrorPrefixes, service)) {
      return { kind: "sdk", service: service as SdkServiceName, action };
    }
    return `the SDK service '${service}' of '${resource}' is not one of ${Object.keys(sdkErrorPrefixes).join(", ")}`;
  }
  return `the integration '${resource}' is not supported: use lambda:invoke, a function ARN, or aws-sdk`;
}
