// Reads the REST APIs out of the templates' resources, and says what of them is not carried out.
import { Properties } from "../assembly/properties.ts";
import type { Resource } from "../assembly/resolve-assembly.ts";
import type {
  ApiDefinition,
  AuthorizerDefinition,
  GatewayResponse,
  ResourceNode,
  StageDefinition,
} from "./api-definition.ts";
import { apiIdFor, resourceIdFor, rootResourceIdFor } from "./api-ids.ts";
import { functionArnIn, type MethodContext, readMethod } from "./read-method.ts";

export interface ApiReading {
  readonly apis: readonly ApiDefinition[];
  /** One sentence for each thing that is not carried out. */
  readonly unknown: readonly string[];
}

/** AWS's own default for how long an authorizer's answer is kept. */
const defaultResultTtlSeconds = 300;
/** How long a streamed answer may be silent; an edge-optimised endpoint, which is the default, is less patient. */
const idleMilliseconds = { edge: 30_000, other: 300_000 };

export function readApis(resources: readonly Resource[]): ApiReading {
  const unknown: string[] = [];
  const apis = ofType(resources, "AWS::ApiGateway::RestApi").map((api) => readApi(api, resources, unknown));
  return { apis, unknown };
}

function readApi(api: Resource, resources: readonly Resource[], unknown: string[]): ApiDefinition {
  const apiId = apiIdFor(api.physicalName);
  const own = (type: string) =>
    ofType(resources, type).filter((resource) => Properties.of(resource).text("RestApiId") === apiId);
  const properties = Properties.of(api);
  if (properties.has("Body") || properties.has("BodyS3Location")) {
    unknown.push(`${where(api)}: an API described by an OpenAPI document is not built locally.`);
  }
  const root = emptyNode(rootResourceIdFor(api.physicalName), "/");
  const nodes = readTree(root, own("AWS::ApiGateway::Resource"));
  const validators = own("AWS::ApiGateway::RequestValidator");
  const context: MethodContext = {
    authorizers: readAuthorizers(own("AWS::ApiGateway::Authorizer"), unknown),
    parameterValidators: idsWith(validators, "ValidateRequestParameters"),
    bodyValidators: idsWith(validators, "ValidateRequestBody"),
    unknown,
  };
  for (const method of own("AWS::ApiGateway::Method")) {
    const node = nodes.get(Properties.of(method).text("ResourceId"));
    if (!node) throw new Error(`${where(method)}: its resource is not one of the API.`);
    node.methods.set(Properties.of(method).text("HttpMethod"), readMethod(method, context));
  }
  return {
    apiId,
    name: api.constructPath,
    root,
    stages: own("AWS::ApiGateway::Stage").map(readStage),
    idleMilliseconds: isEdge(properties) ? idleMilliseconds.edge : idleMilliseconds.other,
    binaryMediaTypes: properties.texts("BinaryMediaTypes").map((type) => type.replace("~1", "/")),
    gatewayResponses: new Map(own("AWS::ApiGateway::GatewayResponse").map(readGatewayResponse)),
  };
}

function idsWith(validators: readonly Resource[], flag: string): Set<string> {
  const set = validators.filter((validator) => Properties.of(validator).flag(flag));
  return new Set(set.map(({ physicalName }) => resourceIdFor(physicalName)));
}

function isEdge(api: Properties): boolean {
  const [type = "EDGE"] = api.object("EndpointConfiguration").texts("Types");
  return type === "EDGE";
}

/** Every node by its id. A resource may stand in the template before its parent. */
function readTree(root: ResourceNode, resources: readonly Resource[]): Map<string, ResourceNode> {
  const nodes = new Map([[root.id, root]]);
  let waiting = [...resources];
  while (waiting.length > 0) {
    const later: Resource[] = [];
    for (const resource of waiting) {
      const properties = Properties.of(resource);
      const parent = nodes.get(properties.text("ParentId"));
      if (!parent) {
        later.push(resource);
        continue;
      }
      const node = attach(parent, properties.text("PathPart"), resourceIdFor(resource.physicalName));
      nodes.set(node.id, node);
    }
    const [orphan] = later;
    if (orphan && later.length === waiting.length) throw new Error(`${where(orphan)}: its parent is not in the API.`);
    waiting = later;
  }
  return nodes;
}

function attach(parent: ResourceNode, pathPart: string, id: string): ResourceNode {
  const node = emptyNode(id, `${parent.path === "/" ? "" : parent.path}/${pathPart}`);
  const [, name, plus] = /^\{([^}+]+)(\+?)\}$/.exec(pathPart) ?? [];
  if (name === undefined) parent.exact.set(pathPart, node);
  else if (plus) parent.greedy = { name, node };
  else parent.parameter = { name, node };
  return node;
}

function emptyNode(id: string, path: string): ResourceNode {
  return { id, path, methods: new Map(), exact: new Map() };
}

/** By id. Those that are of another kind than REQUEST are left out, and named. */
function readAuthorizers(resources: readonly Resource[], unknown: string[]): Map<string, AuthorizerDefinition> {
  const authorizers = new Map<string, AuthorizerDefinition>();
  for (const resource of resources) {
    const properties = Properties.of(resource);
    const functionArn = functionArnIn(properties.optionalText("AuthorizerUri") ?? "");
    const type = properties.text("Type");
    if (type !== "REQUEST" || functionArn === undefined) {
      unknown.push(
        `${where(resource)}: authorizers of the type ${type} are not built locally; its methods answer 500.`,
      );
      continue;
    }
    const id = resourceIdFor(resource.physicalName);
    authorizers.set(id, {
      id,
      functionArn,
      identitySources: (properties.optionalText("IdentitySource") ?? "")
        .split(",")
        .map((source) => source.trim())
        .filter((source) => source !== ""),
      resultTtlSeconds: properties.number("AuthorizerResultTtlInSeconds") ?? defaultResultTtlSeconds,
    });
  }
  return authorizers;
}

function readStage(resource: Resource): StageDefinition {
  const properties = Properties.of(resource);
  return {
    name: resource.physicalName,
    deploymentId: properties.text("DeploymentId"),
    variables: properties.object("Variables").textMap(),
  };
}

function readGatewayResponse(resource: Resource): [string, GatewayResponse] {
  const properties = Properties.of(resource);
  const headers = Object.entries(properties.object("ResponseParameters").textMap())
    .filter(([name]) => name.startsWith("gatewayresponse.header."))
    .map(([name, expression]) => [name.slice("gatewayresponse.header.".length), expression] as const);
  const response = {
    statusCode: properties.number("StatusCode"),
    headers: Object.fromEntries(headers),
    templates: properties.object("ResponseTemplates").textMap(),
  };
  return [properties.text("ResponseType"), response];
}

function ofType(resources: readonly Resource[], type: string): Resource[] {
  return resources.filter((resource) => resource.type === type);
}

function where(resource: Resource): string {
  return `${resource.type} (${resource.constructPath})`;
}
