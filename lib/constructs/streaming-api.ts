// A REST API with one function behind every path, whose answers reach the client while they are written.
import { Aws, Duration, RemovalPolicy, Stack, Validations } from "aws-cdk-lib";
import {
  AccessLogField,
  AccessLogFormat,
  AuthorizationType,
  AwsIntegration,
  CfnRestApi,
  EndpointType,
  type IResource,
  LogGroupLogDestination,
  MethodLoggingLevel,
  ResponseTransferMode,
  ResponseType,
  RestApi,
} from "aws-cdk-lib/aws-apigateway";
import { ServicePrincipal } from "aws-cdk-lib/aws-iam";
import { LogGroup, type RetentionDays } from "aws-cdk-lib/aws-logs";
import type { ITopic } from "aws-cdk-lib/aws-sns";
import { Construct } from "constructs";
import { FailureAlarm, failurePeriod } from "./failure-alarm.ts";
import type { ServiceFunction } from "./service-function.ts";

export interface StreamingApiProps {
  readonly name: string;
  readonly description: string;
  /** API Gateway's stage, the first segment of every address. */
  readonly stageName: string;
  readonly answeredBy: ServiceFunction;
  readonly requestsPerSecond: number;
  readonly requestsInBurst: number;
  readonly logRetention: RetentionDays;
  readonly alarmTopic: ITopic;
  /** Of the alarm for answers of 500 and above that the function or the gateway gave. */
  readonly alarm: { readonly title: string; readonly impactOfFailure: string };
}

/** Of streamed answers; "Stream the integration response" in the API Gateway Developer Guide. */
const longestAnswer = Duration.minutes(15);

const failuresBeforeAlarm = 20;

export class StreamingApi extends Construct {
  readonly api: RestApi;
  readonly #stageName: string;

  constructor(scope: Construct, id: string, props: StreamingApiProps) {
    super(scope, id);
    this.#stageName = props.stageName;
    const logs = new LogGroup(this, "AccessLogs", {
      retention: props.logRetention,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    this.api = new RestApi(this, "Api", {
      restApiName: props.name,
      description: props.description,
      // An edge-optimised endpoint breaks off an answer that is silent for 30 seconds; a regional one waits five minutes.
      endpointTypes: [EndpointType.REGIONAL],
      cloudWatchRole: true,
      // Bodies may be compressed, and are handed on byte for byte.
      binaryMediaTypes: ["*/*"],
      deployOptions: {
        stageName: props.stageName,
        throttlingRateLimit: props.requestsPerSecond,
        throttlingBurstLimit: props.requestsInBurst,
        // A trace may hold the address as it was asked for, and Gemini's clients may put their key into its query.
        tracingEnabled: false,
        metricsEnabled: true,
        loggingLevel: MethodLoggingLevel.ERROR,
        dataTraceEnabled: false,
        accessLogDestination: new LogGroupLogDestination(logs),
        accessLogFormat: accessLogFormat(),
      },
    });
    const resource = this.api.node.defaultChild;
    if (!(resource instanceof CfnRestApi)) throw new TypeError("a RestApi's default child is a CfnRestApi");
    resource.securityPolicy = "SecurityPolicy_TLS13_1_2_PFS_PQ_2025_09";
    resource.endpointAccessMode = "STRICT";
    this.#answer(props.answeredBy);
    addRefusals(this.api);
    new FailureAlarm(this, "FailureAlarm", {
      metric: this.api.metricServerError({ period: failurePeriod, statistic: "Sum" }),
      failuresPerPeriod: failuresBeforeAlarm,
      ...props.alarm,
      topic: props.alarmTopic,
    });
    acknowledge(this.api);
  }

  /** The address without a slash at its end. */
  get url(): string {
    const host = `${this.api.restApiId}.execute-api.${Stack.of(this).region}.${Aws.URL_SUFFIX}`;
    return `https://${host}/${this.#stageName}`;
  }

  #answer({ function: answering, arn }: ServiceFunction): void {
    answering.addPermission(`CalledBy${this.node.id}`, {
      principal: new ServicePrincipal("apigateway.amazonaws.com"),
      sourceArn: this.api.arnForExecuteApi("*", "/*", this.#stageName),
      scope: new Construct(this, "Calls"),
    });
    const integration = new AwsIntegration({
      service: "lambda",
      proxy: true,
      path: `2021-11-15/functions/${arn}/response-streaming-invocations`,
      options: { responseTransferMode: ResponseTransferMode.STREAM, timeout: longestAnswer },
    });
    const everything: IResource[] = [this.api.root, this.api.root.addResource("{proxy+}")];
    for (const resource of everything) {
      const method = resource.addMethod("ANY", integration, { authorizationType: AuthorizationType.NONE });
      Validations.of(method).acknowledge(
        { id: "AwsSolutions-APIG4", reason: "Clients come with keys of the relay's own, which the function checks." },
        { id: "AwsSolutions-COG4", reason: "AI clients cannot sign in to a user pool; they carry keys." },
      );
    }
  }
}

/** Who asked for what, and how it ended: no query, which may hold a key, and no body. */
function accessLogFormat(): AccessLogFormat {
  return AccessLogFormat.custom(
    JSON.stringify({
      at: AccessLogField.contextRequestTime(),
      requestId: AccessLogField.contextRequestId(),
      sourceIp: AccessLogField.contextIdentitySourceIp(),
      method: AccessLogField.contextHttpMethod(),
      path: AccessLogField.contextPath(),
      status: AccessLogField.contextStatus(),
      milliseconds: AccessLogField.contextResponseLatency(),
      refusal: AccessLogField.contextErrorResponseType(),
    }),
  );
}

/** In one body that each of the clients' protocols understands: nobody but the gateway has seen the path yet. */
function addRefusals(api: RestApi): void {
  const refusals = [
    [ResponseType.REQUEST_TOO_LARGE, 413, "request_too_large", "The body is larger than the gateway takes (10 MB)."],
    [ResponseType.THROTTLED, 429, "rate_limit_error", "Too many requests at once. Wait a moment, then try again."],
    [ResponseType.INTEGRATION_FAILURE, 503, "api_error", "The relay could not be reached. Try again."],
    [ResponseType.INTEGRATION_TIMEOUT, 504, "timeout_error", "The relay did not answer in time."],
    [ResponseType.DEFAULT_4XX, undefined, "invalid_request_error", "The gateway does not take this request."],
    [ResponseType.DEFAULT_5XX, undefined, "api_error", "The gateway failed. Try again."],
  ] as const;
  for (const [type, status, name, message] of refusals) {
    const error = { type: name, message, code: name, status: "UNAVAILABLE" };
    api.addGatewayResponse(`Refusal${type.responseType}`, {
      type,
      ...(status !== undefined && { statusCode: String(status) }),
      // A page in a browser would hear of a network failure instead.
      responseHeaders: { "access-control-allow-origin": "'*'", ...(status === 429 && { "retry-after": "'2'" }) },
      templates: { "application/json": JSON.stringify({ type: "error", error }) },
    });
  }
}

function acknowledge(api: RestApi): void {
  Validations.of(api).acknowledge(
    {
      id: "AwsSolutions-APIG2",
      reason: "Bodies are the providers' own open formats: the function checks what it must, and passes the rest on.",
    },
    {
      id: "AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs]",
      reason: "AWS's own policy for the one role per account by which API Gateway writes logs.",
    },
  );
  Validations.of(api.deploymentStage).acknowledge(
    {
      id: "AwsSolutions-APIG3",
      reason:
        "No web application firewall: keys carry a checksum and limits of their own, and a WAF costs by the month.",
    },
    {
      id: "Serverless-APIGWXrayEnabled",
      reason: "A trace may hold the whole address, and Gemini's clients may put their key into its query.",
    },
  );
}
