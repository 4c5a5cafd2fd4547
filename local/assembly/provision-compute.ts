// Functions, state machines, rules and schedules of the templates, created in the services that run them.
import { existsSync, statSync } from "node:fs";
import type { EventBridgeService } from "../eventbridge/eventbridge.ts";
import type { RuleTarget } from "../eventbridge/rule.ts";
import { ServiceError } from "../gateway/service.ts";
import type { Iam } from "../iam/iam.ts";
import type { EventSourceMapping } from "../lambda/event-source-mapping.ts";
import type { EventSources } from "../lambda/event-sources.ts";
import { type AsynchronousSettings, asynchronousDefaults } from "../lambda/function-definition.ts";
import type { LambdaHost } from "../lambda/lambda-host.ts";
import type { StreamMapping } from "../lambda/stream-mapping.ts";
import type { SchedulerService } from "../scheduler/scheduler.ts";
import type { StepFunctionsService } from "../step-functions/step-functions.ts";
import { Properties } from "./properties.ts";
import { functionArnOf } from "./provision-roles.ts";
import type { ResolvedAssembly, Resource } from "./resolve-assembly.ts";

export interface ComputeServices {
  readonly iam: Iam;
  readonly lambda: LambdaHost;
  readonly eventSources: EventSources;
  readonly stepFunctions: StepFunctionsService;
  readonly eventBridge: EventBridgeService;
  readonly scheduler: SchedulerService;
}

/** Lambda's own defaults. */
const defaultMemoryMb = 128;
const defaultTimeoutSeconds = 3;
/** Managed Instances' default for Node.js on one vCPU. */
const managedNodeConcurrency = 64;
const defaultBatchSize = { queue: 10, stream: 100 };

/** Returns one sentence for each thing that cannot run here. */
export function provisionCompute(assembly: ResolvedAssembly, services: ComputeServices): string[] {
  const { resources } = assembly;
  const unknown: string[] = [];
  const eachOf = (type: string, create: (resource: Resource, properties: Properties) => string | undefined) => {
    for (const resource of resources.filter((candidate) => candidate.type === type)) {
      const sentence = create(resource, Properties.of(resource));
      if (sentence !== undefined) unknown.push(sentence);
    }
  };
  const asynchronous = asynchronousSettings(resources, unknown);
  eachOf("AWS::Lambda::Function", (resource, properties) =>
    addFunction(resource, properties, assembly, services, asynchronous.get(resource.arn ?? "")),
  );
  eachOf("AWS::Lambda::EventSourceMapping", (resource, properties) =>
    addEventSource(resource, properties, resources, services),
  );
  eachOf("AWS::StepFunctions::StateMachine", (resource, properties) => addStateMachine(resource, properties, services));
  eachOf("AWS::Events::EventBus", (resource) => void services.eventBridge.createBus(resource.physicalName));
  eachOf("AWS::Events::Rule", (resource, properties) => addRule(resource, properties, services));
  eachOf("AWS::Scheduler::ScheduleGroup", (resource) => void services.scheduler.putGroup(resource.physicalName));
  eachOf("AWS::Scheduler::Schedule", (resource) => {
    type ScheduleInput = Parameters<SchedulerService["putSchedule"]>[0];
    services.scheduler.putSchedule({ ...resource.properties, Name: resource.physicalName } as unknown as ScheduleInput);
    return undefined;
  });
  return unknown;
}

function addFunction(
  resource: Resource,
  properties: Properties,
  assembly: ResolvedAssembly,
  services: ComputeServices,
  asynchronous: AsynchronousSettings | undefined,
): string | undefined {
  const runtime = properties.optionalText("Runtime") ?? "";
  const where = `AWS::Lambda::Function (${resource.constructPath})`;
  if (!runtime.startsWith("nodejs")) return `${where}: the runtime ${runtime || "of an image"} does not run locally.`;
  const codeDirectory = assembly.assetPaths.get(properties.object("Code").optionalText("S3Key") ?? "");
  if (codeDirectory === undefined || !existsSync(codeDirectory) || !statSync(codeDirectory).isDirectory()) {
    return `${where}: its code is not a folder of this assembly, so that it cannot run locally.`;
  }
  const logging = properties.object("LoggingConfig");
  const reserved = properties.number("ReservedConcurrentExecutions");
  const shared = concurrentInvocations(resource, properties);
  services.lambda.addFunction({
    name: resource.physicalName,
    arn: resource.arn ?? "",
    handler: properties.text("Handler"),
    codeDirectory,
    environment: { ...properties.object("Environment").object("Variables").textMap(), ...logSettings(logging) },
    memoryMb: properties.number("MemorySize") ?? defaultMemoryMb,
    timeoutSeconds: properties.number("Timeout") ?? defaultTimeoutSeconds,
    ...(reserved === undefined ? {} : { reservedConcurrency: reserved }),
    ...(shared === undefined ? {} : { concurrentInvocations: shared }),
    credentials: services.iam.assumeRole(properties.text("Role"), "lambda.amazonaws.com", resource.arn),
    logGroupName: logging.optionalText("LogGroup") ?? `/aws/lambda/${resource.physicalName}`,
    asynchronous: asynchronous ?? asynchronousDefaults,
  });
  return undefined;
}

/** Of one environment: what Managed Instances are told, or what the metadata say for a laptop alone. */
function concurrentInvocations(resource: Resource, properties: Properties): number | undefined {
  const provider = properties.object("CapacityProviderConfig").object("LambdaManagedInstancesCapacityProviderConfig");
  const metadata = new Properties(
    resource.metadata ?? {},
    `AWS::Lambda::Function (${resource.constructPath}): Metadata`,
  );
  const ofProvider = properties.has("CapacityProviderConfig") ? managedNodeConcurrency : undefined;
  return (
    provider.number("PerExecutionEnvironmentMaxConcurrency") ??
    ofProvider ??
    metadata.number("causeway:concurrentInvocations")
  );
}

/** Lambda tells a function how it shall log; Powertools listens to it. */
function logSettings(logging: Properties): Record<string, string> {
  const format = logging.optionalText("LogFormat");
  const level = logging.optionalText("ApplicationLogLevel");
  return {
    ...(format ? { AWS_LAMBDA_LOG_FORMAT: format } : {}),
    ...(level ? { AWS_LAMBDA_LOG_LEVEL: level } : {}),
  };
}

/** By function ARN. */
function asynchronousSettings(resources: readonly Resource[], unknown: string[]): Map<string, AsynchronousSettings> {
  const settings = new Map<string, AsynchronousSettings>();
  for (const resource of resources.filter(({ type }) => type === "AWS::Lambda::EventInvokeConfig")) {
    const properties = Properties.of(resource);
    const destinations = properties.object("DestinationConfig");
    const onFailure = destinations.object("OnFailure").optionalText("Destination");
    const where = `AWS::Lambda::EventInvokeConfig (${resource.constructPath})`;
    if (destinations.has("OnSuccess")) unknown.push(`${where}: OnSuccess is ignored locally.`);
    const isQueue = onFailure?.includes(":sqs:") ?? false;
    if (onFailure !== undefined && !isQueue) unknown.push(`${where}: locally, failed events go to queues only.`);
    settings.set(functionArnOf(properties.text("FunctionName"), resources), {
      retryAttempts: properties.number("MaximumRetryAttempts") ?? asynchronousDefaults.retryAttempts,
      maximumEventAgeSeconds:
        properties.number("MaximumEventAgeInSeconds") ?? asynchronousDefaults.maximumEventAgeSeconds,
      ...(onFailure !== undefined && isQueue ? { onFailureQueueArn: onFailure } : {}),
    });
  }
  return settings;
}

function addEventSource(
  resource: Resource,
  properties: Properties,
  resources: readonly Resource[],
  services: ComputeServices,
): string | undefined {
  const where = `AWS::Lambda::EventSourceMapping (${resource.constructPath})`;
  const sourceArn = properties.optionalText("EventSourceArn") ?? "";
  const isStream = /:dynamodb:.*\/stream\//.test(sourceArn);
  if (!isStream && !sourceArn.includes(":sqs:")) {
    return `${where}: locally, only queues and DynamoDB streams call functions, not ${sourceArn || "others"}.`;
  }
  try {
    const fault = isStream
      ? services.eventSources.addStream(streamMapping(properties, resources))
      : services.eventSources.add(queueMapping(properties, resources));
    return fault === undefined ? undefined : `${where}: Lambda would refuse it: ${fault}`;
  } catch (error) {
    // Its function or source is one that the local cloud does not have, and has named already.
    if (error instanceof ServiceError) return `${where}: it does not run locally: ${error.message}`;
    throw error;
  }
}

/** What both kinds of sources have. */
function commonMapping(properties: Properties, resources: readonly Resource[]) {
  return {
    functionArn: functionArnOf(properties.text("FunctionName"), resources),
    windowSeconds: properties.number("MaximumBatchingWindowInSeconds") ?? 0,
    reportsItemFailures: properties.texts("FunctionResponseTypes").includes("ReportBatchItemFailures"),
    enabled: properties.optionalText("Enabled") !== "false",
  };
}

function queueMapping(properties: Properties, resources: readonly Resource[]): EventSourceMapping {
  const maximumConcurrency = properties.object("ScalingConfig").number("MaximumConcurrency");
  return {
    ...commonMapping(properties, resources),
    queueArn: properties.text("EventSourceArn"),
    batchSize: properties.number("BatchSize") ?? defaultBatchSize.queue,
    ...(maximumConcurrency === undefined ? {} : { maximumConcurrency }),
  };
}

function streamMapping(properties: Properties, resources: readonly Resource[]): StreamMapping {
  const filters = properties.object("FilterCriteria").objects("Filters");
  const onFailureQueueArn = properties.object("DestinationConfig").object("OnFailure").optionalText("Destination");
  return {
    ...commonMapping(properties, resources),
    streamArn: properties.text("EventSourceArn"),
    startingPosition: properties.text("StartingPosition"),
    batchSize: properties.number("BatchSize") ?? defaultBatchSize.stream,
    bisects: properties.flag("BisectBatchOnFunctionError"),
    retryAttempts: properties.number("MaximumRetryAttempts") ?? -1,
    recordAgeSeconds: properties.number("MaximumRecordAgeInSeconds") ?? -1,
    ...(onFailureQueueArn === undefined ? {} : { onFailureQueueArn }),
    filters: filters.map((filter) => filter.text("Pattern")),
    parallelizationFactor: properties.number("ParallelizationFactor") ?? 1,
  };
}

function addStateMachine(resource: Resource, properties: Properties, services: ComputeServices): string | undefined {
  const where = `AWS::StepFunctions::StateMachine (${resource.constructPath})`;
  if (properties.optionalText("StateMachineType") === "EXPRESS") {
    return `${where}: EXPRESS workflows do not run locally.`;
  }
  const template = properties.optionalText("DefinitionString") ?? JSON.stringify(properties.raw("Definition"));
  const substitutions = properties.object("DefinitionSubstitutions").textMap();
  services.stepFunctions.createStateMachine({
    arn: resource.arn ?? "",
    name: resource.physicalName,
    definition: template.replace(/\$\{(\w+)\}/g, (whole, name: string) => substitutions[name] ?? whole),
    role: services.iam.assumeRole(properties.text("RoleArn"), "states.amazonaws.com", resource.arn),
  });
  return undefined;
}

function addRule(resource: Resource, properties: Properties, services: ComputeServices): undefined {
  const busName = properties.optionalText("EventBusName");
  const state = properties.optionalText("State");
  const scheduleExpression = properties.optionalText("ScheduleExpression");
  services.eventBridge.putRule({
    name: resource.physicalName,
    ...(busName === undefined ? {} : { busName }),
    ...(state === undefined ? {} : { state }),
    ...(scheduleExpression === undefined ? {} : { scheduleExpression }),
    ...(properties.has("EventPattern") ? { eventPattern: properties.json("EventPattern") } : {}),
    targets: properties.rawList("Targets") as unknown as readonly RuleTarget[],
  });
}
