// The doors through which people and programs come in: the HTTP front of the REST APIs, and the sign-in. Both listen before
// the templates are resolved, for the templates tell their addresses to functions and clients.
import { type ApiFront, type RunningApi, startApiFront } from "./api-gateway/api-front.ts";
import type { HostedLambda } from "./api-gateway/lambda-integration.ts";
import { readApis } from "./api-gateway/read-apis.ts";
import type { Assembly } from "./assembly/read-assembly.ts";
import type { ResolvedAssembly, ResolveOptions } from "./assembly/resolve-assembly.ts";
import { identify } from "./assembly/resource-identity.ts";
import { readUserPools } from "./cognito/read-user-pools.ts";
import { noSignIn, type SignInService, type StartedSignIn, startSignIn } from "./cognito/sign-in.ts";
import type { Iam } from "./iam/iam.ts";
import type { Clock } from "./rig/clock.ts";
import type { Faults } from "./rig/faults.ts";

/** 0 or absent: any free ones. Tokens and links outlive a restart only at the same ports. */
export interface FrontPorts {
  readonly signIn: number;
  /** In the order of the RestApis in the templates. */
  readonly apis: readonly number[];
}

export interface FrontDoorsOptions {
  readonly place: { readonly accountId: string; readonly region: string };
  readonly clock: Clock;
  readonly faults: Faults;
  readonly iam: Iam;
  readonly lambda: HostedLambda;
  /** Exists already. */
  readonly stateDirectory: string;
  readonly ports?: FrontPorts;
  readonly onDefect: (error: unknown, call: string) => void;
}

/** The REST APIs of the templates, as they run here. */
export interface ApiService {
  /** Of the only RestApi, with its stage, no slash at the end. Throws when there is none, or more than one. */
  readonly url: string;
  list(): readonly RunningApi[];
  /** By construct path or its end. Throws when there is not exactly one. */
  urlOf(name: string): string;
}

export interface FrontDoors {
  readonly api: ApiService;
  readonly signIn: SignInService;
  /** Values for stack parameters. */
  readonly parameters: Readonly<Record<string, string>>;
  readonly resolveOptions: Pick<ResolveOptions, "cognitoUrl" | "apiUrlOf">;
  /** Lets people in. Returns one sentence for each thing that is not carried out. */
  open(resolved: ResolvedAssembly): readonly string[];
  /** Where both listen. */
  ports(): FrontPorts;
  close(): Promise<void>;
}

/** Throws a sentence when a port is taken. */
export async function startFrontDoors(assembly: Assembly, options: FrontDoorsOptions): Promise<FrontDoors> {
  const { ports, ...common } = options;
  const front = await startApiFront(idsOf(assembly, "AWS::ApiGateway::RestApi"), {
    ...common,
    mayCall: (call) => options.iam.serviceMay(call),
    ...(ports ? { ports: ports.apis } : {}),
  });
  let signIn: StartedSignIn | undefined;
  try {
    if (idsOf(assembly, "AWS::Cognito::UserPool").length > 0) {
      signIn = await startSignIn({ ...common, ...(ports ? { port: ports.signIn } : {}) });
    }
  } catch (error) {
    await front.close();
    throw error;
  }
  return {
    api: apiService(front),
    signIn: signIn ?? noSignIn(),
    parameters: signIn ? { CognitoEndpoint: signIn.url, SignInUrl: signIn.url } : {},
    resolveOptions: { apiUrlOf: (apiId) => front.addressOf(apiId), ...(signIn ? { cognitoUrl: signIn.url } : {}) },
    open(resolved) {
      const { apis, unknown } = readApis(resolved.resources);
      front.open(apis);
      signIn?.open(readUserPools(resolved.resources, options.place.region, withoutStage(front)));
      return unknown;
    },
    ports: () => ({
      signIn: signIn ? Number(new URL(signIn.url).port) : 0,
      apis: [...new Set(front.list().map(({ port }) => port))],
    }),
    async close() {
      await Promise.all([front.close(), signIn?.close()]);
    },
  };
}

function apiService(front: ApiFront): ApiService {
  const only = (found: readonly RunningApi[], what: string) => {
    const [api, another] = found;
    if (!api) throw new Error(`The templates have no ${what}.`);
    if (another)
      throw new Error(`The templates have more than one ${what}: ${found.map(({ url }) => url).join(", ")}.`);
    return api.url;
  };
  return {
    get url() {
      return only(front.list(), "REST API");
    },
    list: () => front.list(),
    urlOf: (name) =>
      only(
        front.list().filter((api) => api.name === name || api.name.endsWith(`/${name}`)),
        `REST API ${name}`,
      ),
  };
}

/** An address of an API is the same place without its stage: see `splitStage`. */
function withoutStage(front: ApiFront): (url: string) => readonly string[] {
  return (url) =>
    front
      .list()
      .filter((api) => url.startsWith(`${api.url}/`))
      .map((api) => `${api.shortUrl}${url.slice(api.url.length)}`);
}

/** What Ref gives of all resources of this type, before anything is resolved: it follows from stack and logical id. */
function idsOf(assembly: Assembly, type: string): string[] {
  return assembly.stacks.flatMap(({ name, accountId, region, template }) => {
    const place = { partition: "aws", urlSuffix: "amazonaws.com", region, accountId, stackName: name, gatewayUrl: "" };
    return Object.entries(template.Resources ?? {})
      .filter(([, resource]) => resource.Type === type)
      .map(([logicalId]) => identify(type, logicalId, place, () => undefined).ref);
  });
}
