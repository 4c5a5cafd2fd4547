// The services of one local cloud, put together: who calls whom inside the process, and where each keeps its state.
import { mkdirSync } from "node:fs";
import path from "node:path";
import type { BootOptions } from "./boot-options.ts";
import { Alarms } from "./cloudwatch/alarms.ts";
import { type CloudWatchService, createCloudWatchService } from "./cloudwatch/cloudwatch.ts";
import { type DynamodbService, startDynamodbService } from "./dynamodb/dynamodb-service.ts";
import { createEventBridgeService, type EventBridgeService } from "./eventbridge/eventbridge.ts";
import type { DeliveryOptions } from "./eventbridge/target.ts";
import type { EventPort } from "./gateway/ports.ts";
import type { LocalService, ServiceContext } from "./gateway/service.ts";
import type { Iam } from "./iam/iam.ts";
import { createKmsService, type KmsService } from "./kms/kms.ts";
import { EventInvocations } from "./lambda/event-invocations.ts";
import { EventSources } from "./lambda/event-sources.ts";
import { FunctionLogs } from "./lambda/function-logs.ts";
import { LambdaHost } from "./lambda/lambda-host.ts";
import { createLambdaService } from "./lambda/lambda-service.ts";
import { workerCode } from "./lambda/worker-code.ts";
import { createRdsService, type RdsService } from "./rds/rds-service.ts";
import type { Clock } from "./rig/clock.ts";
import type { Faults } from "./rig/faults.ts";
import { createS3Service, type S3Service } from "./s3/s3-service.ts";
import { createSchedulerService, type SchedulerService } from "./scheduler/scheduler.ts";
import { createSecretsManagerService, type SecretsManagerService } from "./secrets-manager/secrets-manager.ts";
import { type Outbox, openOutbox } from "./ses/outbox.ts";
import { createSesService, type SesService } from "./ses/ses.ts";
import { Topics } from "./sns/topics.ts";
import { createSqsService, type SqsService } from "./sqs/sqs.ts";
import { createStepFunctionsService, type StepFunctionsService } from "./step-functions/step-functions.ts";

export interface Foundations {
  readonly options: BootOptions;
  readonly place: { readonly accountId: string; readonly region: string };
  readonly clock: Clock;
  readonly faults: Faults;
  readonly iam: Iam;
  /** Of the gateway; known once it listens. */
  readonly endpointUrl: () => string;
}

export interface CloudServices {
  readonly s3: S3Service;
  readonly dynamodb: DynamodbService;
  readonly kms: KmsService;
  readonly secretsManager: SecretsManagerService;
  readonly lambda: LambdaHost;
  readonly events: EventInvocations;
  readonly eventSources: EventSources;
  readonly stepFunctions: StepFunctionsService;
  readonly eventBridge: EventBridgeService;
  readonly scheduler: SchedulerService;
  readonly sqs: SqsService;
  readonly rds: RdsService;
  readonly cloudWatch: CloudWatchService;
  readonly ses: SesService;
  readonly outbox: Outbox;
  readonly topics: Topics;
  readonly alarms: Alarms;
  /** For the gateway, in the order in which they are to be closed. */
  readonly all: readonly LocalService[];
}

/** The way to end each service is added to `started` as soon as it exists. */
export async function createServices(
  foundations: Foundations,
  started: (() => Promise<unknown>)[],
): Promise<CloudServices> {
  const { options, place, clock, faults, iam, endpointUrl } = foundations;
  const notice = (sentence: string) => options.onNotice?.(sentence);
  const contextOf = (name: string): ServiceContext => ({
    clock,
    faults,
    authorize: iam.authorize,
    ...place,
    stateDirectory: serviceDirectory(options.stateDirectory, name),
  });
  const keep = <Service extends LocalService>(service: Service): Service => {
    started.push(async () => service.close?.());
    return service;
  };

  // S3 locks its state: a second cloud on the same directory ends here, before anything else of it runs.
  const events: EventPort = { publish: (event, busName) => eventBridge.publish(event, busName) };
  const s3 = keep(
    createS3Service(contextOf("s3"), {
      events,
      ...(options.smallestPartBytes === undefined ? {} : { smallestPartBytes: options.smallestPartBytes }),
    }),
  );
  const [dynamodb] = await Promise.all([
    startDynamodbService({
      ...contextOf("dynamodb"),
      onNotice: notice,
      ...(options.dynamodbEndpoint === undefined ? {} : { endpoint: options.dynamodbEndpoint }),
    }).then(keep),
    // The first invocation shall not wait for it.
    workerCode(),
  ]);
  const kms = keep(createKmsService(contextOf("kms")));
  const secretsManager = keep(
    createSecretsManagerService(contextOf("secrets-manager"), { keyArnOf: (keyId) => kms.keyArnOf(keyId) }),
  );
  const sqs = keep(createSqsService(contextOf("sqs")));
  const outbox = openOutbox(serviceDirectory(options.stateDirectory, "mail"));
  const ses = createSesService(contextOf("ses"), outbox);
  const topics = new Topics({ clock, outbox, permissions: iam });
  const alarms = new Alarms(contextOf("alarms"), {
    notify(topicArn, sourceArn, mail) {
      try {
        topics.publish({ topicArn, sourceArn, service: "cloudwatch.amazonaws.com", ...mail });
      } catch (error) {
        // As in AWS, where only the alarm's history tells of it.
        notice(`An alarm reached nobody: ${error instanceof Error ? error.message : String(error)}`);
      }
    },
  });
  started.push(async () => alarms.close());
  const logDirectory = serviceDirectory(options.stateDirectory, "logs");
  const cloudWatch = createCloudWatchService(contextOf("cloudwatch"), {
    onMetric: (data) => alarms.take(data),
    logFile: path.join(logDirectory, "all.log"),
  });
  keep(cloudWatch.metrics);
  keep(cloudWatch.logs);
  const logs = new FunctionLogs({
    ...place,
    directory: logDirectory,
    authorize: iam.authorize,
    onNotice: notice,
    onLine({ name, logGroupName }, line) {
      cloudWatch.ingestLogLine(name, line, logGroupName);
      options.onLog?.(name, line);
    },
  });
  const lambda = new LambdaHost({
    ...options.lambdaLimits,
    ...place,
    clock,
    faults,
    endpointUrl,
    onLog: (definition, line) => logs.write(definition, line),
    onFinished({ functionName, error }) {
      alarms.count("AWS/Lambda", "Invocations", "FunctionName", functionName);
      if (error) alarms.count("AWS/Lambda", "Errors", "FunctionName", functionName);
    },
  });
  const eventInvocations = new EventInvocations({
    host: lambda,
    clock,
    authorize: iam.authorize,
    stateDirectory: serviceDirectory(options.stateDirectory, "lambda"),
    queues: sqs,
    onNotice: notice,
  });
  const eventSources = new EventSources({
    ...place,
    host: lambda,
    source: sqs,
    streams: {
      source: dynamodb.streams,
      queues: sqs,
      stateDirectory: serviceDirectory(options.stateDirectory, "lambda"),
    },
    clock,
    faults,
    authorize: iam.authorize,
    onNotice: notice,
  });
  const lambdaService = keep({
    ...createLambdaService({ host: lambda, events: eventInvocations, authorize: iam.authorize }),
    async close() {
      await eventInvocations.close();
      await lambda.close();
      logs.close();
    },
  });
  const stepFunctions = keep(
    createStepFunctionsService(contextOf("step-functions"), {
      lambda,
      endpointUrl,
      events: countingStatuses(events, alarms),
    }),
  );
  const delivery: DeliveryOptions = {
    ports: () => ({ lambda: eventInvocations, workflows: stepFunctions, queues: sqs, logGroups: cloudWatch }),
    permissions: iam,
    onProblem: notice,
  };
  const rds = keep(
    createRdsService(
      contextOf("rds"),
      { permissions: iam, keyArnOf: (keyId) => kms.keyArnOf(keyId), endpointUrl, onProblem: notice },
      options.rdsExportPace,
    ),
  );
  const eventBridge = keep(createEventBridgeService(contextOf("eventbridge"), delivery));
  const scheduler = keep(createSchedulerService(contextOf("scheduler"), delivery));
  return {
    s3,
    dynamodb,
    kms,
    secretsManager,
    lambda,
    events: eventInvocations,
    eventSources,
    stepFunctions,
    eventBridge,
    scheduler,
    sqs,
    rds,
    cloudWatch,
    ses,
    outbox,
    topics,
    alarms,
    // What sends work comes before what does it.
    all: [
      ...[scheduler, eventBridge, stepFunctions, lambdaService, cloudWatch.metrics, cloudWatch.logs],
      ...[ses, rds, sqs, secretsManager, kms, dynamodb, s3],
    ],
  };
}

/** Made when missing. */
export function serviceDirectory(stateDirectory: string, name: string): string {
  const directory = path.join(stateDirectory, name);
  mkdirSync(directory, { recursive: true });
  return directory;
}

/** Counts how executions ended, on the way to the bus. */
function countingStatuses(events: EventPort, alarms: Alarms): EventPort {
  const metrics: Readonly<Record<string, string>> = {
    SUCCEEDED: "ExecutionsSucceeded",
    FAILED: "ExecutionsFailed",
    TIMED_OUT: "ExecutionsTimedOut",
    ABORTED: "ExecutionsAborted",
  };
  return {
    publish(event, busName) {
      const metric = metrics[String(event.detail.status)];
      const stateMachineArn = String(event.detail.stateMachineArn);
      if (metric !== undefined) alarms.count("AWS/States", metric, "StateMachineArn", stateMachineArn);
      events.publish(event, busName);
    },
  };
}
