// Boots the local cloud from a synthesised app: every service behind one port, every resource of the templates in it.
import { mkdirSync } from "node:fs";
import { type AiUpstream, startAiUpstream } from "./ai-upstream/ai-upstream.ts";
import type { OssStandIn } from "./aliyun-oss/aliyun-oss.ts";
import { bootOss, ensureBuckets } from "./aliyun-oss/boot-oss.ts";
import type { AliyunCredentials } from "./aliyun-rds/acs3-signature.ts";
import { type AliyunStandIn, startAliyun } from "./aliyun-rds/aliyun-stand-in.ts";
import { provisionAlarms } from "./assembly/provision-alarms.ts";
import { provisionCompute } from "./assembly/provision-compute.ts";
import { provisionData } from "./assembly/provision-data.ts";
import { provisionResourcePolicies, provisionRoles } from "./assembly/provision-roles.ts";
import { type Assembly, readAssembly } from "./assembly/read-assembly.ts";
import { onePlace, type ResolvedAssembly, type Resource, resolveAssembly } from "./assembly/resolve-assembly.ts";
import type { BootOptions } from "./boot-options.ts";
import { type CloudServices, createServices, serviceDirectory } from "./cloud-services.ts";
import type { Alarms } from "./cloudwatch/alarms.ts";
import type { SignInService } from "./cognito/sign-in.ts";
import type { DynamodbService } from "./dynamodb/dynamodb-service.ts";
import type { EventBridgeService } from "./eventbridge/eventbridge.ts";
import { type ApiService, type FrontPorts, startFrontDoors } from "./front-doors.ts";
import { startGateway } from "./gateway/gateway.ts";
import type { Principal } from "./gateway/service.ts";
import { KeyStore } from "./iam/credentials.ts";
import { Iam } from "./iam/iam.ts";
import type { EventSources } from "./lambda/event-sources.ts";
import type { LambdaHost } from "./lambda/lambda-host.ts";
import type { RdsService } from "./rds/rds-service.ts";
import { Clock } from "./rig/clock.ts";
import { Faults } from "./rig/faults.ts";
import type { S3Service } from "./s3/s3-service.ts";
import type { SchedulerService } from "./scheduler/scheduler.ts";
import type { Mail } from "./ses/outbox.ts";
import type { SesService } from "./ses/ses.ts";
import type { Topics } from "./sns/topics.ts";
import type { StepFunctionsService } from "./step-functions/step-functions.ts";
import { startWecom, type WecomStandIn } from "./wecom/wecom-stand-in.ts";

export interface LocalCloud {
  /** Base URL of all AWS services. */
  readonly url: string;
  readonly accountId: string;
  readonly region: string;
  /** May do everything. */
  readonly operator: Principal;
  readonly clock: Clock;
  readonly faults: Faults;
  readonly iam: Iam;
  readonly lambda: LambdaHost;
  /** Queues and tables' streams that call functions. */
  readonly eventSources: EventSources;
  readonly s3: S3Service;
  /** Counts its calls, and can simulate limits on single items. */
  readonly dynamodb: Pick<DynamodbService, "calls" | "simulate">;
  readonly stepFunctions: StepFunctionsService;
  readonly eventBridge: EventBridgeService;
  readonly scheduler: SchedulerService;
  readonly ses: SesService;
  /** Its mails are in `mails()`. */
  readonly topics: Topics;
  readonly alarms: Alarms;
  /** Every mail that SES or an SNS topic sent, oldest first; also in `<stateDirectory>/mail/mails.jsonl`. */
  mails(): readonly Mail[];
  /** WeCom's robots, and webhooks of any other receiver. */
  readonly wecom: WecomStandIn;
  /** Anthropic, OpenAI and the Gemini API. */
  readonly aiUpstream: AiUpstream;
  readonly rds: RdsService;
  /** The REST APIs over HTTP. */
  readonly api: ApiService;
  /** The issuer of the user pool's tokens. */
  readonly signIn: SignInService;
  /** Where both listen, to be had again at the next boot. */
  readonly frontPorts: FrontPorts;
  readonly aliyun: AliyunStandIn;
  /** The key pair that the stand-in knows; to be put where the functions look for Aliyun's. */
  readonly aliyunCredentials: AliyunCredentials;
  readonly oss: OssStandIn;
  readonly resources: readonly Resource[];
  readonly outputs: ResolvedAssembly["outputs"];
  /** One sentence for each thing in the templates that the local cloud does not carry out. */
  readonly unknown: readonly string[];
  /** By logical id, construct path (`causeway-local-replication/CopyBatch/Function`) or its end. Throws when there is not exactly one. */
  resource(name: string): Resource;
  /** A stack output by its name. Throws when no stack or more than one has it. */
  output(name: string): string;
  /** For a client of the AWS SDK that acts as the operator. */
  clientConfig(): ClientConfig;
  close(): Promise<void>;
}

export interface ClientConfig {
  readonly region: string;
  readonly endpoint: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  readonly forcePathStyle: boolean;
  /** The cloud's clock need not be the machine's; signatures carry the time. */
  readonly systemClockOffset: number;
}

/** Throws an Error with a sentence when something prevents it; what was started by then is ended again. */
export async function bootCloud(options: BootOptions): Promise<LocalCloud> {
  const started: (() => Promise<unknown>)[] = [];
  try {
    return await boot(options, started);
  } catch (error) {
    // In reverse: what was started last leans on what was started before it.
    for (const end of started.reverse()) await end();
    throw error;
  }
}

async function boot(options: BootOptions, started: (() => Promise<unknown>)[]): Promise<LocalCloud> {
  const assembly = chosenStacks(readAssembly(options.assemblyDirectory), options.onlyStacks);
  const place = onePlace(assembly);
  const clock = options.clock ?? new Clock();
  const faults = options.faults ?? new Faults();
  mkdirSync(options.stateDirectory, { recursive: true, mode: 0o700 });
  const iam = new Iam({ ...place, stateDirectory: options.stateDirectory });

  // Where the gateway listens is known only after the services that need it exist.
  let url = "";
  const services = await createServices({ options, place, clock, faults, iam, endpointUrl: () => url }, started);
  const gateway = await startGateway({
    services: services.all,
    principalOf: iam.principalOf,
    clock,
    faults,
    ...(options.port === undefined ? {} : { port: options.port }),
    onDefect: (error, call) => options.onNotice?.(`A defect of the local cloud at ${call}: ${describe(error)}`),
  });
  // The gateway closes its services.
  started.length = 0;
  started.push(
    () => gateway.close(),
    async () => services.alarms.close(),
  );
  url = gateway.url;

  const aliyunDirectory = serviceDirectory(options.stateDirectory, "aliyun-rds");
  const aliyunCredentials = keepAliyunCredentials(aliyunDirectory);
  const aliyun = await startAliyun({
    clock,
    faults,
    stateDirectory: aliyunDirectory,
    credentials: [aliyunCredentials],
    ...(options.aliyunPorts && { port: options.aliyunPorts.rpc, downloadPort: options.aliyunPorts.download }),
    ...(options.aliyunLinkSeconds === undefined ? {} : { linkSeconds: options.aliyunLinkSeconds }),
  });
  started.push(() => aliyun.close());
  const wecom = await startWecom({
    clock,
    faults,
    stateDirectory: serviceDirectory(options.stateDirectory, "wecom"),
    ...(options.wecomPort === undefined ? {} : { port: options.wecomPort }),
  });
  started.push(() => wecom.close());
  const aiUpstream = await startAiUpstream({
    clock,
    ...(options.aiUpstreamPort === undefined ? {} : { port: options.aiUpstreamPort }),
  });
  started.push(() => aiUpstream.close());

  const oss = await bootOss(options, {
    clock,
    faults,
    stateDirectory: serviceDirectory(options.stateDirectory, "aliyun-oss"),
    onDefect: (error, call) => options.onNotice?.(`A defect of the local cloud at oss:${call}: ${describe(error)}`),
  });
  started.push(() => oss.close());

  const doors = await startFrontDoors(assembly, {
    ...{ place, clock, faults, iam, lambda: services.lambda },
    stateDirectory: serviceDirectory(options.stateDirectory, "cognito"),
    ...(options.frontPorts === undefined ? {} : { ports: options.frontPorts }),
    onDefect: (error, call) => options.onNotice?.(`A defect of the local cloud at ${call}: ${describe(error)}`),
  });
  started.push(() => doors.close());

  const parameters = { ...standInParameters(assembly, aliyun, oss, options, doors.parameters), ...options.parameters };
  const resolved = resolveAssembly(assembly, { gatewayUrl: url, parameters, ...doors.resolveOptions });
  ensureBuckets(oss, options, resolved.resources);
  const unknown = [...(await provision(resolved, services, iam)), ...doors.open(resolved)];
  const { withoutMachine } = services.stepFunctions.resume();
  for (const arn of withoutMachine) {
    options.onNotice?.(`The execution ${arn} of an earlier run stands still: its state machine is gone.`);
  }
  services.events.resume();
  services.rds.start();
  services.eventBridge.start();
  services.scheduler.start();
  services.sqs.start();
  await services.eventSources.prepare();
  services.eventSources.start();
  // It sends work to everything else, so it ends first.
  started.push(() => services.eventSources.close());

  return {
    url,
    ...place,
    operator: iam.operator,
    clock,
    faults,
    iam,
    lambda: services.lambda,
    eventSources: services.eventSources,
    s3: services.s3,
    dynamodb: services.dynamodb,
    stepFunctions: services.stepFunctions,
    eventBridge: services.eventBridge,
    scheduler: services.scheduler,
    ses: services.ses,
    topics: services.topics,
    alarms: services.alarms,
    mails: () => services.outbox.list(),
    wecom,
    aiUpstream,
    rds: services.rds,
    api: doors.api,
    signIn: doors.signIn,
    frontPorts: doors.ports(),
    aliyun,
    aliyunCredentials,
    oss,
    resources: resolved.resources,
    outputs: resolved.outputs,
    unknown: [...resolved.unknown, ...unknown, ...iam.unsupported],
    resource: (name) => findResource(resolved.resources, name),
    output: (name) => findOutput(resolved.outputs, name),
    clientConfig: () => ({
      region: place.region,
      endpoint: url,
      credentials: { accessKeyId: iam.operator.accessKeyId, secretAccessKey: iam.operator.secretAccessKey },
      forcePathStyle: true,
      systemClockOffset: Math.round(clock.now() - Date.now()),
    }),
    async close() {
      for (const end of started.reverse()) await end();
      if (!options.clock) clock.close();
    },
  };
}

/** What a real deployment knows of Aliyun by its stage, the local one gives as values of the stacks' parameters. */
function standInParameters(
  assembly: Assembly,
  aliyun: AliyunStandIn,
  oss: OssStandIn,
  options: BootOptions,
  ofFrontDoors: Readonly<Record<string, string>>,
): Record<string, string> {
  const values: Record<string, string> = {
    AliyunRdsEndpoint: aliyun.rpcEndpoint,
    AliyunProtocol: "http",
    ...ofFrontDoors,
    AliyunOssEndpoint: oss.endpoint,
    AliyunOssPathStyle: "true",
    ...(options.smallestPartBytes === undefined ? {} : { SmallestPartBytes: String(options.smallestPartBytes) }),
  };
  const declared = new Set(assembly.stacks.flatMap((stack) => Object.keys(stack.template.Parameters ?? {})));
  return Object.fromEntries(Object.entries(values).filter(([name]) => declared.has(name)));
}

function chosenStacks(assembly: Assembly, only: readonly string[] | undefined): Assembly {
  if (only === undefined) return assembly;
  return {
    ...assembly,
    stacks: assembly.stacks.filter(({ name }) => only.some((ending) => name.endsWith(`-${ending}`))),
  };
}

/** Returns one sentence for each thing that is not carried out. */
async function provision(resolved: ResolvedAssembly, services: CloudServices, iam: Iam): Promise<string[]> {
  const unknownPolicies = provisionRoles(resolved.resources, iam);
  provisionResourcePolicies(resolved.resources, iam);
  await provisionData(resolved.resources, services);
  return [
    ...unknownPolicies,
    ...provisionCompute(resolved, { ...services, iam }),
    ...provisionAlarms(resolved.resources, services),
  ];
}

/** The same pair at every boot: what has read it once, such as a workflow that goes on, can go on. */
function keepAliyunCredentials(stateDirectory: string): AliyunCredentials {
  const keys = new KeyStore(stateDirectory);
  const { accessKeyId, secretAccessKey } = keys.longLived("aliyun", "LTAI");
  keys.save();
  return { accessKeyId, accessKeySecret: secretAccessKey };
}

function findResource(resources: readonly Resource[], name: string): Resource {
  const exact = resources.filter(
    ({ logicalId, constructPath }) =>
      logicalId === name || constructPath === name || constructPath.endsWith(`/${name}`),
  );
  const [found, other] = exact;
  if (found && !other) return found;
  const many = exact.map(({ constructPath }) => constructPath).join(", ");
  throw new Error(found ? `${name} means several resources: ${many}.` : `The templates have no resource ${name}.`);
}

function findOutput(outputs: ResolvedAssembly["outputs"], name: string): string {
  const values = Object.values(outputs).flatMap((stack) => stack[name] ?? []);
  const [value, other] = values;
  if (value === undefined) throw new Error(`No stack has an output ${name}.`);
  if (other !== undefined) throw new Error(`More than one stack has an output ${name}.`);
  return value;
}

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
