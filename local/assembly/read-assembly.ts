// Reads a synthesised CDK app (cdk.out): its stacks in dependency order, their templates, and where their assets lie.
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";

export type Json = string | number | boolean | null | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [member: string]: Json;
}

export interface TemplateResource {
  readonly Type: string;
  readonly Properties?: JsonObject;
  readonly Metadata?: JsonObject;
  readonly Condition?: string;
}

export interface Template {
  readonly Resources?: Readonly<Record<string, TemplateResource>>;
  readonly Outputs?: Readonly<Record<string, JsonObject>>;
  readonly Parameters?: Readonly<Record<string, JsonObject>>;
  readonly Conditions?: Readonly<Record<string, Json>>;
  readonly Mappings?: Readonly<Record<string, JsonObject>>;
}

export interface Stack {
  /** The artifact's id, e.g. `replication` or `dev/replication`. */
  readonly id: string;
  /** What CloudFormation calls it. */
  readonly name: string;
  readonly accountId: string;
  readonly region: string;
  readonly template: Template;
  /** Construct path (`replication/List/Resource`) by logical id. */
  readonly constructPaths: ReadonlyMap<string, string>;
}

export interface Assembly {
  readonly directory: string;
  /** A stack stands after those it depends on. */
  readonly stacks: readonly Stack[];
  /** Folder or file of an asset by the object key under which a deployment would upload it. */
  readonly assetPaths: ReadonlyMap<string, string>;
}

interface Artifact {
  readonly type: string;
  readonly environment?: string;
  readonly dependencies?: readonly string[];
  readonly displayName?: string;
  readonly additionalMetadataFile?: string;
  readonly metadata?: ArtifactMetadata;
  readonly properties?: Readonly<Record<string, unknown>>;
}

type ArtifactMetadata = Readonly<Record<string, readonly { readonly type: string; readonly data?: unknown }[]>>;

interface AssetManifest {
  readonly files?: Readonly<
    Record<
      string,
      {
        readonly source?: { readonly path?: string };
        readonly destinations?: Readonly<Record<string, { readonly objectKey?: string }>>;
      }
    >
  >;
}

/** Where a stack that is bound to no account or region lives locally; twelve digits as AWS demands. */
export const defaultAccountId = "000000000000";
export const defaultRegion = "us-east-1";

/** Stages nest one assembly in another; deeper than this is a mistake. */
const deepestNesting = 5;

/** Throws an Error with a sentence when the folder holds no assembly. */
export function readAssembly(directory: string): Assembly {
  const stacks: Stack[] = [];
  const assetPaths = new Map<string, string>();
  readInto(path.resolve(directory), stacks, assetPaths, 0);
  return { directory: path.resolve(directory), stacks, assetPaths };
}

function readInto(directory: string, stacks: Stack[], assetPaths: Map<string, string>, depth: number): void {
  if (depth > deepestNesting) throw new Error(`${directory} nests assemblies more than ${deepestNesting} deep.`);
  const manifestFile = path.join(directory, "manifest.json");
  if (!existsSync(manifestFile)) {
    throw new Error(`${directory} holds no manifest.json: synthesise the app first (npm run synth).`);
  }
  const { artifacts = {} } = readJson<{ artifacts?: Record<string, Artifact> }>(manifestFile);
  for (const [id, artifact] of inDependencyOrder(artifacts)) {
    if (artifact.type === "aws:cloudformation:stack") stacks.push(readStack(directory, id, artifact));
    else if (artifact.type === "cdk:asset-manifest") readAssets(directory, artifact, assetPaths);
    else if (artifact.type === "cdk:cloud-assembly") {
      readInto(path.join(directory, String(artifact.properties?.directoryName)), stacks, assetPaths, depth + 1);
    }
  }
}

function readStack(directory: string, id: string, artifact: Artifact): Stack {
  const [, accountId, region] = /^aws:\/\/([^/]+)\/(.+)$/.exec(artifact.environment ?? "") ?? [];
  const constructPaths = new Map<string, string>();
  const inFile = artifact.additionalMetadataFile
    ? readJson<ArtifactMetadata>(path.join(directory, artifact.additionalMetadataFile))
    : {};
  for (const metadata of [artifact.metadata ?? {}, inFile]) {
    for (const [constructPath, entries] of Object.entries(metadata)) {
      for (const entry of entries) {
        if (entry.type === "aws:cdk:logicalId")
          constructPaths.set(String(entry.data), constructPath.replace(/^\//, ""));
      }
    }
  }
  return {
    id,
    name: String(artifact.properties?.stackName ?? id),
    accountId: accountId && accountId !== "unknown-account" ? accountId : defaultAccountId,
    region: region && region !== "unknown-region" ? region : defaultRegion,
    template: readJson<Template>(path.join(directory, String(artifact.properties?.templateFile))),
    constructPaths,
  };
}

function readAssets(directory: string, artifact: Artifact, assetPaths: Map<string, string>): void {
  const manifest = readJson<AssetManifest>(path.join(directory, String(artifact.properties?.file)));
  for (const file of Object.values(manifest.files ?? {})) {
    if (file.source?.path === undefined) continue;
    for (const { objectKey } of Object.values(file.destinations ?? {})) {
      if (objectKey !== undefined) assetPaths.set(objectKey, path.resolve(directory, file.source.path));
    }
  }
}

function inDependencyOrder(artifacts: Readonly<Record<string, Artifact>>): [string, Artifact][] {
  const ordered = new Map<string, Artifact>();
  const underWay = new Set<string>();
  const visit = (id: string) => {
    const artifact = artifacts[id];
    if (!artifact || ordered.has(id)) return;
    if (underWay.has(id)) throw new Error(`The stacks depend on one another in a circle, through ${id}.`);
    underWay.add(id);
    for (const dependency of artifact.dependencies ?? []) visit(dependency);
    ordered.set(id, artifact);
  };
  for (const id of Object.keys(artifacts)) visit(id);
  return [...ordered];
}

function readJson<Shape>(file: string): Shape {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Shape;
  } catch (error) {
    throw new Error(`${file} cannot be read as JSON: ${(error as Error).message}`, { cause: error });
  }
}
