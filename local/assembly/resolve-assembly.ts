// Turns an assembly into resources with resolved properties, names and ARNs: what a deployment would create.
import { evaluateCondition, isList, isObject, resolveIntrinsics, type Scope } from "./intrinsics.ts";
import { ignoredProperties, isKnownType } from "./known-types.ts";
import type { Assembly, Json, JsonObject, Stack, TemplateResource } from "./read-assembly.ts";
import { type Identity, identify, type Place } from "./resource-identity.ts";

export interface Resource {
  readonly type: string;
  readonly stackName: string;
  readonly logicalId: string;
  /** `replication/List`: without CDK's last step `/Resource`. The logical id where the assembly has no metadata. */
  readonly constructPath: string;
  readonly physicalName: string;
  readonly arn: string | undefined;
  readonly properties: JsonObject;
  /** As the template writes it. */
  readonly metadata?: JsonObject;
}

export interface ResolvedAssembly {
  readonly accountId: string;
  readonly region: string;
  /** Stacks in dependency order, each in the template's order. */
  readonly resources: readonly Resource[];
  readonly outputs: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** One sentence for each type and property that the local cloud does not carry out. */
  readonly unknown: readonly string[];
  /** Folder or file of an asset by its S3 key. */
  readonly assetPaths: ReadonlyMap<string, string>;
}

export interface ResolveOptions {
  /** Base URL of the gateway, for the URLs of queues. */
  readonly gatewayUrl: string;
  /** Values of template parameters, as `cdk deploy --parameters [Stack:]Name=value` gives them. */
  readonly parameters?: Readonly<Record<string, string>>;
  /** Base URL of the local issuer, for the URLs of user pools. */
  readonly cognitoUrl?: string;
  /** `http://127.0.0.1:PORT` of a REST API: stands wherever a text says `https://<api id>.execute-api.<region>.…`. */
  readonly apiUrlOf?: (apiId: string) => string | undefined;
}

/** Throws an Error that names the stack and what cannot be resolved in it. */
export function resolveAssembly(assembly: Assembly, options: ResolveOptions): ResolvedAssembly {
  const { accountId, region } = onePlace(assembly);
  refuseUnknownParameters(assembly, options.parameters ?? {});
  const exports = new Map<string, Json>();
  const resources: Resource[] = [];
  const outputs: Record<string, Record<string, string>> = {};
  const unknown = new Set<string>();
  for (const stack of assembly.stacks) {
    const scope = new StackScope(stack, options, exports);
    for (const [logicalId, resource] of Object.entries(stack.template.Resources ?? {})) {
      if (!scope.exists(resource)) continue;
      const resolved = resolveResource(scope, stack, logicalId, resource, options);
      resources.push(resolved);
      for (const sentence of shortcomings(resolved)) unknown.add(sentence);
    }
    outputs[stack.name] = resolveOutputs(scope, stack, exports, options);
  }
  return { accountId, region, resources, outputs, unknown: [...unknown], assetPaths: assembly.assetPaths };
}

/** The one account and region that the whole local cloud lives in. */
export function onePlace(assembly: Assembly): { accountId: string; region: string } {
  const [first, ...others] = assembly.stacks;
  if (!first) throw new Error(`${assembly.directory} holds no stack.`);
  const elsewhere = others.find((stack) => stack.accountId !== first.accountId || stack.region !== first.region);
  if (elsewhere) {
    throw new Error(
      `The local cloud is one account in one region, but ${first.name} is for ${first.accountId}/${first.region} ` +
        `and ${elsewhere.name} for ${elsewhere.accountId}/${elsewhere.region}.`,
    );
  }
  return { accountId: first.accountId, region: first.region };
}

function resolveResource(
  scope: StackScope,
  stack: Stack,
  logicalId: string,
  resource: TemplateResource,
  options: ResolveOptions,
): Resource {
  const identity = scope.identityOf(logicalId);
  const properties = withLocalApis(resolveIntrinsics(resource.Properties ?? {}, scope) ?? {}, options);
  return {
    type: resource.Type,
    stackName: stack.name,
    logicalId,
    constructPath: (stack.constructPaths.get(logicalId) ?? logicalId).replace(/\/Resource$/, ""),
    physicalName: identity.physicalName,
    arn: identity.arn,
    properties: isObject(properties) ? properties : {},
    ...(resource.Metadata === undefined ? {} : { metadata: resource.Metadata }),
  };
}

function shortcomings(resource: Resource): string[] {
  const { type, constructPath, properties } = resource;
  if (!isKnownType(type))
    return [`${type} (${constructPath}) is not built locally: nothing happens where it would act.`];
  const sentences = ignoredProperties(type, Object.keys(properties)).map(
    (property) => `${type} (${constructPath}): ${property} is ignored locally.`,
  );
  if (isList(properties.Replicas) && properties.Replicas.length > 1) {
    sentences.push(`${type} (${constructPath}): replicas in other regions are ignored locally.`);
  }
  return sentences;
}

function resolveOutputs(
  scope: StackScope,
  stack: Stack,
  exports: Map<string, Json>,
  options: ResolveOptions,
): Record<string, string> {
  const outputs: Record<string, string> = {};
  for (const [name, output] of Object.entries(stack.template.Outputs ?? {})) {
    if (output.Condition !== undefined && !scope.condition(String(output.Condition))) continue;
    const value = resolveIntrinsics(output.Value ?? null, scope);
    if (value === undefined) continue;
    const exported = isObject(output.Export) ? resolveIntrinsics(output.Export.Name ?? null, scope) : undefined;
    if (exported !== undefined) exports.set(String(exported), value);
    const local = withLocalApis(value, options);
    outputs[name] = typeof local === "string" ? local : JSON.stringify(local);
  }
  return outputs;
}

/** In AWS a name server leads from an API's id to its address; here the address itself has to stand in the text. */
function withLocalApis(value: Json, options: ResolveOptions): Json {
  const { apiUrlOf } = options;
  if (!apiUrlOf) return value;
  if (typeof value === "string") {
    return value.replace(
      /https:\/\/([a-z0-9]{10})\.execute-api\.[a-z0-9-]+\.amazonaws\.com(?:\.cn)?/g,
      (whole, apiId: string) => apiUrlOf(apiId) ?? whole,
    );
  }
  if (isList(value)) return value.map((item) => withLocalApis(item, options));
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, withLocalApis(inner, options)]));
}

/** Answers what one stack's template refers to; names are worked out when first asked for. */
class StackScope implements Scope {
  readonly where: string;
  readonly #stack: Stack;
  readonly #place: Place;
  readonly #parameters: Readonly<Record<string, string>>;
  readonly #exports: ReadonlyMap<string, Json>;
  readonly #identities = new Map<string, Identity>();
  readonly #conditions = new Map<string, boolean>();
  readonly #underWay = new Set<string>();

  constructor(stack: Stack, options: ResolveOptions, exports: ReadonlyMap<string, Json>) {
    const isChina = stack.region.startsWith("cn-");
    this.where = `stack ${stack.name}`;
    this.#stack = stack;
    this.#parameters = options.parameters ?? {};
    this.#exports = exports;
    this.#place = {
      partition: isChina ? "aws-cn" : "aws",
      urlSuffix: isChina ? "amazonaws.com.cn" : "amazonaws.com",
      region: stack.region,
      accountId: stack.accountId,
      stackName: stack.name,
      gatewayUrl: options.gatewayUrl,
      ...(options.cognitoUrl === undefined ? {} : { cognitoUrl: options.cognitoUrl }),
    };
  }

  exists(resource: TemplateResource): boolean {
    return resource.Condition === undefined || this.condition(resource.Condition);
  }

  ref(name: string): Json | undefined {
    if (name in this.#pseudoParameters) return this.#pseudoParameters[name];
    if (name === "AWS::NoValue") return undefined;
    if (this.#stack.template.Parameters?.[name]) return this.#parameter(name, this.#stack.template.Parameters[name]);
    return this.identityOf(name).ref;
  }

  attribute(logicalId: string, attribute: string): Json {
    const identity = this.identityOf(logicalId);
    const value = identity.attributes[attribute];
    if (value !== undefined) return value;
    const type = this.#stack.template.Resources?.[logicalId]?.Type ?? "";
    // What an unknown type would answer is unknown too; the type itself is named at boot.
    if (!isKnownType(type)) return `unknown:${this.#stack.name}/${logicalId}.${attribute}`;
    throw new Error(`${this.where}: ${type} (${logicalId}) has no attribute ${attribute} in the local cloud.`);
  }

  importedValue(exportName: string): Json {
    const value = this.#exports.get(exportName);
    if (value === undefined) throw new Error(`${this.where}: no stack before it exports ${exportName}.`);
    return value;
  }

  condition(name: string): boolean {
    const known = this.#conditions.get(name);
    if (known !== undefined) return known;
    const expression = this.#stack.template.Conditions?.[name];
    if (expression === undefined) throw new Error(`${this.where}: there is no condition ${name}.`);
    const value = this.#withoutCircle(name, () => evaluateCondition(expression, this));
    this.#conditions.set(name, value);
    return value;
  }

  mapped(map: string, topKey: string, secondKey: string): Json {
    const inner = this.#stack.template.Mappings?.[map]?.[topKey];
    const value = isObject(inner) ? inner[secondKey] : undefined;
    if (value === undefined) throw new Error(`${this.where}: the mapping ${map} has no ${topKey}/${secondKey}.`);
    return value;
  }

  identityOf(logicalId: string): Identity {
    const known = this.#identities.get(logicalId);
    if (known) return known;
    const resource = this.#stack.template.Resources?.[logicalId];
    if (!resource) throw new Error(`${this.where}: there is no resource or parameter ${logicalId}.`);
    const identity = this.#withoutCircle(logicalId, () =>
      identify(resource.Type, logicalId, this.#place, (property) => {
        const value = resolveIntrinsics(resource.Properties?.[property] ?? null, this);
        return value === null || value === undefined ? undefined : String(value);
      }),
    );
    this.#identities.set(logicalId, identity);
    return identity;
  }

  get #pseudoParameters(): Readonly<Record<string, Json>> {
    const { partition, urlSuffix, region, accountId, stackName } = this.#place;
    return {
      "AWS::Partition": partition,
      "AWS::URLSuffix": urlSuffix,
      "AWS::Region": region,
      "AWS::AccountId": accountId,
      "AWS::StackName": stackName,
      "AWS::StackId": `arn:${partition}:cloudformation:${region}:${accountId}:stack/${stackName}/local`,
      "AWS::NotificationARNs": [],
    };
  }

  #parameter(name: string, declaration: JsonObject): Json {
    const type = String(declaration.Type);
    const given = this.#parameters[`${this.#stack.name}:${name}`] ?? this.#parameters[name];
    if (given === undefined && type.startsWith("AWS::SSM::")) {
      throw new Error(
        `${this.where}: the parameter ${name} is read from SSM (${String(declaration.Default)}), which the local cloud lacks: give its value at boot.`,
      );
    }
    const value = given ?? declaration.Default;
    if (value === undefined)
      throw new Error(`${this.where}: the parameter ${name} has no default and was given no value.`);
    const text = String(value);
    if (isList(declaration.AllowedValues) && !declaration.AllowedValues.map(String).includes(text)) {
      throw new Error(`${this.where}: the parameter ${name} must be one of ${declaration.AllowedValues.join(", ")}.`);
    }
    if (
      declaration.AllowedPattern !== undefined &&
      !new RegExp(`^(?:${String(declaration.AllowedPattern)})$`).test(text)
    ) {
      throw new Error(`${this.where}: the parameter ${name} must match ${String(declaration.AllowedPattern)}.`);
    }
    return type === "CommaDelimitedList" || type.startsWith("List<")
      ? text.split(",").map((item) => item.trim())
      : text;
  }

  #withoutCircle<Value>(name: string, work: () => Value): Value {
    if (this.#underWay.has(name)) throw new Error(`${this.where}: ${name} refers to itself.`);
    this.#underWay.add(name);
    try {
      return work();
    } finally {
      this.#underWay.delete(name);
    }
  }
}

function refuseUnknownParameters(assembly: Assembly, parameters: Readonly<Record<string, string>>): void {
  const known = assembly.stacks.flatMap((stack) =>
    Object.keys(stack.template.Parameters ?? {}).flatMap((name) => [name, `${stack.name}:${name}`]),
  );
  const stranger = Object.keys(parameters).find((name) => !known.includes(name));
  if (stranger !== undefined) throw new Error(`No stack has a parameter ${stranger}.`);
}
