// Which resource a path means. Source: "Set up API resources" in the API Gateway Developer Guide; what it leaves open (slashes
// at the end, encoded characters) as AWS was seen to answer in LocalStack's recorded tests of the real service.
import type { MethodDefinition, ResourceNode } from "./api-definition.ts";

export interface FoundResource {
  readonly node: ResourceNode;
  /** Still percent-encoded, as the function gets them. */
  readonly pathParameters: Readonly<Record<string, string>>;
}

/** `ANY` is these; others, such as TRACE, match no method. */
const anyMethods = new Set(["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"]);

/**
 * A segment that is written out beats `{name}`, which beats `{name+}`. Slashes at the end do not count. A `{name+}` stands
 * for one segment at least. Segments compare as they were sent, percent-encoding and all.
 */
export function findResource(root: ResourceNode, path: string): FoundResource | undefined {
  const segments = path.replace(/\/+$/, "").split("/").slice(1);
  return descend(root, segments, {});
}

/** The resource's method; HEAD is not GET, and nothing answers OPTIONS by itself. */
export function findMethod(node: ResourceNode, httpMethod: string): MethodDefinition | undefined {
  return node.methods.get(httpMethod) ?? (anyMethods.has(httpMethod) ? node.methods.get("ANY") : undefined);
}

function descend(
  node: ResourceNode,
  segments: readonly string[],
  pathParameters: Readonly<Record<string, string>>,
): FoundResource | undefined {
  const [segment, ...rest] = segments;
  if (segment === undefined) return { node, pathParameters };
  const exact = node.exact.get(segment);
  const byExact = exact && descend(exact, rest, pathParameters);
  if (byExact) return byExact;
  const { parameter, greedy } = node;
  if (parameter && segment !== "") {
    const found = descend(parameter.node, rest, { ...pathParameters, [parameter.name]: segment });
    if (found) return found;
  }
  if (!greedy) return undefined;
  return { node: greedy.node, pathParameters: { ...pathParameters, [greedy.name]: segments.join("/") } };
}
