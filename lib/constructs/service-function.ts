// A Lambda function with everything each of ours must have: own role, logs that end, tracing, and an alarm with its impact.
import { Duration, RemovalPolicy, Stack, Validations } from "aws-cdk-lib";
import { PolicyStatement, Role, ServicePrincipal } from "aws-cdk-lib/aws-iam";
import {
  ApplicationLogLevel,
  Architecture,
  CfnFunction,
  Code,
  Function as LambdaFunction,
  LoggingFormat,
  Runtime,
  SystemLogLevel,
  Tracing,
} from "aws-cdk-lib/aws-lambda";
import { SqsDestination } from "aws-cdk-lib/aws-lambda-destinations";
import { LogGroup, type RetentionDays } from "aws-cdk-lib/aws-logs";
import type { ITopic } from "aws-cdk-lib/aws-sns";
import type { IQueue } from "aws-cdk-lib/aws-sqs";
import { Construct } from "constructs";
import type * as z from "zod";
import { type BundleAssets, bundleEntry } from "./bundle.ts";
import { FailureAlarm, failurePeriod } from "./failure-alarm.ts";
import { acknowledgeWildcards, type Permission, permit } from "./permissions.ts";

type CamelCase<Text extends string> = Text extends `${infer Head}-${infer Tail}`
  ? `${Head}${Capitalize<CamelCase<Tail>>}`
  : Text;

type TextVariables = Readonly<Record<string, string>>;

/**
 * What an entry's environment must hold, by the schema in its room's config.ts: `planCopyEnvironment` is that of
 * `plan-copy`. Nothing satisfies an entry without a schema.
 */
export type EntryEnvironment<RoomConfig, Entry extends string> = RoomConfig extends {
  readonly [Name in `${CamelCase<Entry>}Environment`]: infer Schema;
}
  ? Extract<z.input<Schema>, TextVariables>
  : never;

/** What all functions of a room have in common. */
export interface RoomProps {
  /** Folder under lambdas/, such as `replication`. */
  readonly room: string;
  readonly logRetention: RetentionDays;
  /** Where the alarms go. */
  readonly alarmTopic: ITopic;
}

export interface FunctionProps {
  /** A sentence: what no longer happens when this function fails, and for whom. It becomes the alarm's text. */
  readonly impactOfFailure: string;
  /** Failures in five minutes that raise the alarm: more than one where a workflow's Retry makes good for some. Default 1. */
  readonly failuresPerPeriod?: number;
  readonly permissions: readonly Permission[];
  readonly memoryMebibytes: number;
  readonly timeout: Duration;
  /** Files that the function reads from its own folder. */
  readonly assets?: BundleAssets;
  /** Options for Node beyond source maps. */
  readonly nodeOptions?: readonly string[];
  /** Most instances at the same time. Absent: whatever the account has left. */
  readonly reservedConcurrency?: number;
  /**
   * Invocations that one execution environment may serve at once, for a function that keeps nothing per call outside of
   * it: the local cloud does, and Lambda Managed Instances. Lambda as usual gives each call an environment of its own.
   */
  readonly sharesEnvironment?: number;
  /** A queue's messages are its calls: what fails stays there, and ends in the queue's own dead letters. */
  readonly readsQueue?: boolean;
  /** For a function that is called without anybody waiting: where calls go that failed for good. */
  readonly failedCalls?: IQueue;
  /** A network that the function must be inside of. Absent: Lambda's own. */
  readonly network?: FunctionNetwork;
}

/** A part of a VPC, by ids alone: nothing is looked up at synthesis. */
export interface FunctionNetwork {
  readonly subnetIds: readonly string[];
  readonly securityGroupIds: readonly string[];
}

export interface ServiceFunctionProps<RoomConfig, Entry extends string> extends FunctionProps {
  readonly environment: EntryEnvironment<RoomConfig, Entry>;
}

/** A room's functions, each typed by the environment schema of its entry. */
export class Room<RoomConfig> {
  readonly #scope: Construct;
  readonly #props: RoomProps;

  constructor(scope: Construct, props: RoomProps) {
    this.#scope = scope;
    this.#props = props;
  }

  /** lambdas/<room>/<entry>.lambda.ts as a function; the construct's id is the entry's name in PascalCase. */
  add<Entry extends string>(entry: Entry, props: ServiceFunctionProps<RoomConfig, Entry>): ServiceFunction {
    const environment: TextVariables = props.environment;
    return new ServiceFunction(this.#scope, pascalCase(entry), { ...this.#props, ...props, entry, environment });
  }
}

export class ServiceFunction extends Construct {
  readonly function: LambdaFunction;
  readonly role: Role;

  constructor(
    scope: Construct,
    id: string,
    props: RoomProps & FunctionProps & { readonly entry: string; readonly environment: TextVariables },
  ) {
    super(scope, id);
    const logGroup = new LogGroup(this, "Logs", {
      retention: props.logRetention,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    this.role = new Role(this, "Role", {
      assumedBy: new ServicePrincipal("lambda.amazonaws.com"),
      description: `Only for ${props.room}/${props.entry}`,
    });
    this.role.addToPrincipalPolicy(
      new PolicyStatement({
        actions: ["logs:CreateLogStream", "logs:PutLogEvents"],
        resources: [logGroup.logGroupArn],
      }),
    );
    this.function = new LambdaFunction(this, "Function", {
      runtime: Runtime.NODEJS_24_X,
      architecture: Architecture.ARM_64,
      code: Code.fromAsset(bundleEntry(`${props.room}/${props.entry}`, props.assets)),
      handler: "index.handler",
      description: `${props.room}: ${props.entry}. ${props.impactOfFailure}`.slice(0, mostDescriptionLetters),
      role: this.role,
      memorySize: props.memoryMebibytes,
      timeout: props.timeout,
      tracing: Tracing.ACTIVE,
      logGroup,
      loggingFormat: LoggingFormat.JSON,
      applicationLogLevelV2: ApplicationLogLevel.INFO,
      systemLogLevelV2: SystemLogLevel.WARN,
      environment: {
        ...props.environment,
        POWERTOOLS_SERVICE_NAME: props.entry,
        POWERTOOLS_METRICS_NAMESPACE: "Causeway",
        NODE_OPTIONS: ["--enable-source-maps", ...(props.nodeOptions ?? [])].join(" "),
      },
      ...(props.reservedConcurrency !== undefined && { reservedConcurrentExecutions: props.reservedConcurrency }),
      ...(props.failedCalls !== undefined && {
        onFailure: new SqsDestination(props.failedCalls),
        maxEventAge: Duration.hours(6),
        retryAttempts: 2,
      }),
    });
    if (props.sharesEnvironment !== undefined) {
      resourceOf(this.function).addMetadata("causeway:concurrentInvocations", props.sharesEnvironment);
    }
    if (props.network !== undefined) placeInNetwork(this.function, props.network);
    permit(this.role, [...props.permissions, ...(props.network === undefined ? [] : [networkInterfaces])]);
    new FailureAlarm(this, "FailureAlarm", {
      metric: this.function.metricErrors({ period: failurePeriod }),
      ...(props.failuresPerPeriod !== undefined && { failuresPerPeriod: props.failuresPerPeriod }),
      title: `${props.entry} fails`,
      impactOfFailure: props.impactOfFailure,
      topic: props.alarmTopic,
    });
    acknowledgeWildcards(this.role, [
      { resource: "*", reason: "Active tracing: X-Ray's PutTraceSegments and PutTelemetryRecords know no resources." },
    ]);
    Validations.of(this.function).acknowledge({
      id: "Serverless-LambdaDLQ",
      reason: reasonWithoutDeadLetters(props),
    });
  }

  get arn(): string {
    return this.function.functionArn;
  }
}

/** Why a function has no dead-letter queue of its own. */
function reasonWithoutDeadLetters({ failedCalls, readsQueue }: FunctionProps): string {
  if (failedCalls !== undefined) {
    return "Calls that failed for good go to an on-failure destination, which says more than a dead-letter queue.";
  }
  if (readsQueue) return "Its calls are a queue's messages, and the queue has dead letters.";
  return "Whoever calls this function waits for its answer (a workflow with Retry and Catch, or API Gateway): nothing is dropped.";
}

/** What Lambda does in the function's name to reach into a VPC; as in AWSLambdaVPCAccessExecutionRole. */
const networkInterfaces: Permission = {
  actions: [
    "ec2:CreateNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:DeleteNetworkInterface",
    "ec2:AssignPrivateIpAddresses",
    "ec2:UnassignPrivateIpAddresses",
  ],
  resources: ["*"],
};

/** The L2 property takes a VPC with zones and route tables, of which Lambda needs nothing. */
function placeInNetwork(placed: LambdaFunction, { subnetIds, securityGroupIds }: FunctionNetwork): void {
  resourceOf(placed).vpcConfig = { subnetIds: [...subnetIds], securityGroupIds: [...securityGroupIds] };
}

function resourceOf({ node }: LambdaFunction): CfnFunction {
  const { defaultChild } = node;
  if (defaultChild instanceof CfnFunction) return defaultChild;
  throw new TypeError("a function's default child is a CfnFunction");
}

/** Lambda's limit. */
const mostDescriptionLetters = 256;

function pascalCase(kebabCase: string): string {
  return kebabCase.replace(/(^|-)([a-z0-9])/g, (_match, _hyphen, letter: string) => letter.toUpperCase());
}

/** The ARN of something that is named, not referenced: in this stack's partition, region and account. */
export function namedArn(scope: Construct, service: string, resource: string): string {
  const { partition, region, account } = Stack.of(scope);
  return `arn:${partition}:${service}:${region}:${account}:${resource}`;
}
