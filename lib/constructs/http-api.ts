// The REST API in front of the rooms' functions: a method for each route, refusals in the API's own envelope, access logs.
import { Aws, Duration, RemovalPolicy, Stack, Validations } from "aws-cdk-lib";
import {
  AccessLogField,
  AccessLogFormat,
  AuthorizationType,
  AwsIntegration,
  CfnRestApi,
  EndpointType,
  IdentitySource,
  type Integration,
  type IResource,
  LogGroupLogDestination,
  type Method,
  MethodLoggingLevel,
  RequestAuthorizer,
  RestApi,
} from "aws-cdk-lib/aws-apigateway";
import { ServicePrincipal } from "aws-cdk-lib/aws-iam";
import { LogGroup, type RetentionDays } from "aws-cdk-lib/aws-logs";
import type { ITopic } from "aws-cdk-lib/aws-sns";
import { Construct } from "constructs";
import type { Route } from "../../lambdas/shared/routes.ts";
import { FailureAlarm, failurePeriod } from "./failure-alarm.ts";
import { addGatewayResponses } from "./gateway-responses.ts";
import type { ServiceFunction } from "./service-function.ts";

/** A room's routes, and the functions that answer them, by `entry`. */
export interface HttpRoom {
  readonly routes: readonly Route[];
  readonly functions: Readonly<Record<string, ServiceFunction>>;
}

export interface HttpApiProps {
  readonly name: string;
  /** API Gateway's stage, the first segment of every address. */
  readonly stageName: string;
  readonly logRetention: RetentionDays;
  readonly alarmTopic: ITopic;
}

/** Of all callers together: people and a few machines. A burst of a page that loads fits many times. */
const requestsPerSecond = 50;
const requestsInBurst = 100;

/** How long API Gateway keeps what the authorizer said of a token: a role that was taken away ends by then. */
const authorizationKept = Duration.minutes(5);

/** What the function itself looks at, if anything: the authorizer knows tokens of the sign-in only. */
const openAccess: ReadonlySet<Route["access"]> = new Set(["public", "metrics-token", "relay-key"]);

/** Failed answers in five minutes that raise the alarm: a single one may have passed by itself. */
const failuresBeforeAlarm = 5;

export class HttpApi extends Construct {
  readonly api: RestApi;
  readonly #stageName: string;
  readonly #integrations = new Map<ServiceFunction, Integration>();

  constructor(scope: Construct, id: string, props: HttpApiProps) {
    super(scope, id);
    this.#stageName = props.stageName;
    const logs = new LogGroup(this, "AccessLogs", {
      retention: props.logRetention,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    this.api = new RestApi(this, "Api", {
      restApiName: props.name,
      description: "Causeway's HTTP API; /docs describes it",
      endpointTypes: [EndpointType.REGIONAL],
      cloudWatchRole: true,
      deployOptions: {
        stageName: props.stageName,
        throttlingRateLimit: requestsPerSecond,
        throttlingBurstLimit: requestsInBurst,
        tracingEnabled: true,
        metricsEnabled: true,
        // Bodies and tokens do not belong into logs: only failures of API Gateway itself are logged, and who asked for what.
        loggingLevel: MethodLoggingLevel.ERROR,
        dataTraceEnabled: false,
        accessLogDestination: new LogGroupLogDestination(logs),
        accessLogFormat: accessLogFormat(),
      },
    });
    demandModernTls(this.api);
    addGatewayResponses(this.api);
    new FailureAlarm(this, "FailureAlarm", {
      metric: this.api.metricServerError({ period: failurePeriod, statistic: "Sum" }),
      failuresPerPeriod: failuresBeforeAlarm,
      title: "HTTP API fails",
      impactOfFailure:
        "People and machines get errors from the API; copies, exports and the mirror go on by themselves.",
      topic: props.alarmTopic,
    });
    acknowledge(this.api);
  }

  /** The address without a slash at its end. Not by the stage's own reference: what it names may be built before the methods. */
  get url(): string {
    const host = `${this.api.restApiId}.execute-api.${Stack.of(this).region}.${Aws.URL_SUFFIX}`;
    return `https://${host}/${this.#stageName}`;
  }

  /**
   * A method for each route: with the authorizer unless it is public. Every path answers all other methods too, so that
   * the framework says 405 and OPTIONS; whatever has no path is answered by `forTheRest`. Throws where a function is missing.
   */
  addRooms(rooms: readonly HttpRoom[], authorizedBy: ServiceFunction, forTheRest: ServiceFunction): void {
    const authorizer = new RequestAuthorizer(this, "Authorizer", {
      handler: authorizedBy.function,
      identitySources: [IdentitySource.header("Authorization")],
      resultsCacheTtl: authorizationKept,
    });
    for (const { routes, functions } of rooms) {
      const byPath = Map.groupBy(routes, ({ path }) => path);
      for (const [path, ofPath] of byPath) {
        const resource = this.api.root.resourceForPath(path);
        for (const route of ofPath) {
          const integration = this.#integrationOf(functionFor(route, functions));
          const isOpen = openAccess.has(route.access);
          for (const method of route.method === "GET" ? ["GET", "HEAD"] : [route.method]) {
            if (isOpen) openMethod(resource, method, integration);
            else guardedMethod(resource, method, integration, authorizer);
          }
        }
        const [first] = ofPath;
        if (first !== undefined) openMethod(resource, "ANY", this.#integrationOf(functionFor(first, functions)));
      }
    }
    const rest = this.#integrationOf(forTheRest);
    openMethod(this.api.root, "ANY", rest);
    openMethod(this.api.root.addResource("{proxy+}"), "ANY", rest);
  }

  #integrationOf(serviceFunction: ServiceFunction): Integration {
    const known = this.#integrations.get(serviceFunction);
    if (known !== undefined) return known;
    // One permission for the whole API; the CDK's own integration would add two for every method.
    serviceFunction.function.addPermission(`CalledBy${this.node.id}`, {
      principal: new ServicePrincipal("apigateway.amazonaws.com"),
      sourceArn: this.api.arnForExecuteApi("*", "/*", this.#stageName),
      scope: new Construct(this, `Calls${this.#integrations.size}`),
    });
    const path = `2015-03-31/functions/${serviceFunction.arn}/invocations`;
    const integration = new AwsIntegration({ service: "lambda", proxy: true, path });
    this.#integrations.set(serviceFunction, integration);
    return integration;
  }
}

function functionFor(route: Route, functions: HttpRoom["functions"]): ServiceFunction {
  const found = functions[route.entry];
  if (found === undefined)
    throw new Error(`${route.operation} is answered by ${route.entry}, which is no function here.`);
  return found;
}

function openMethod(resource: IResource, method: string, integration: Integration): void {
  const added = resource.addMethod(method, integration, { authorizationType: AuthorizationType.NONE });
  acknowledgeMethod(added, [
    {
      id: "AwsSolutions-APIG4",
      reason:
        method === "ANY"
          ? "It says 404, 405 and OPTIONS, and nothing else; the function checks roles by itself as well."
          : "The route is open by design: documents and health for everybody, metrics by a bearer token of their own, and what the holder of a relay key may know by that key.",
    },
  ]);
}

function guardedMethod(
  resource: IResource,
  method: string,
  integration: Integration,
  authorizer: RequestAuthorizer,
): void {
  acknowledgeMethod(
    resource.addMethod(method, integration, { authorizationType: AuthorizationType.CUSTOM, authorizer }),
    [],
  );
}

function acknowledgeMethod(method: Method, more: readonly { readonly id: string; readonly reason: string }[]): void {
  Validations.of(method).acknowledge(
    {
      id: "AwsSolutions-COG4",
      reason:
        "Our own REQUEST authorizer checks Cognito's tokens, machines' scopes too, and runs in the local cloud as well.",
    },
    ...more,
  );
}

/** The CDK's RestApi does not know the property yet. TLS 1.2 with forward secrecy, or 1.3. */
function demandModernTls(api: RestApi): void {
  const resource = api.node.defaultChild;
  if (!(resource instanceof CfnRestApi)) throw new TypeError("a RestApi's default child is a CfnRestApi");
  resource.securityPolicy = "SecurityPolicy_TLS13_1_2_PFS_PQ_2025_09";
  resource.endpointAccessMode = "STRICT";
}

/** Who asked for what, and how it ended: no query, no body, no token. */
function accessLogFormat(): AccessLogFormat {
  return AccessLogFormat.custom(
    JSON.stringify({
      at: AccessLogField.contextRequestTime(),
      requestId: AccessLogField.contextRequestId(),
      sourceIp: AccessLogField.contextIdentitySourceIp(),
      subject: AccessLogField.contextAuthorizer("subject"),
      method: AccessLogField.contextHttpMethod(),
      path: AccessLogField.contextPath(),
      status: AccessLogField.contextStatus(),
      milliseconds: AccessLogField.contextResponseLatency(),
      refusal: AccessLogField.contextErrorResponseType(),
    }),
  );
}

function acknowledge(api: RestApi): void {
  Validations.of(api).acknowledge(
    {
      id: "AwsSolutions-APIG2",
      reason: "Every function checks path, query and body against the same route data that documents them.",
    },
    {
      id: "AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs]",
      reason: "AWS's own policy for the one role per account by which API Gateway writes logs.",
    },
  );
  Validations.of(api.deploymentStage).acknowledge({
    id: "AwsSolutions-APIG3",
    reason:
      "No web application firewall: callers are few and signed in, requests are throttled, and a WAF costs by the month.",
  });
}
