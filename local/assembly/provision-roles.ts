// Roles and policies of the templates, handed to the permission check.
import type { Iam, RoleDefinition, RolePolicy } from "../iam/iam.ts";
import { awsManagedPolicy } from "../iam/managed-policies.ts";
import type { PolicyDocument } from "../iam/policy-document.ts";
import { Properties } from "./properties.ts";
import type { Resource } from "./resolve-assembly.ts";

/** Returns one sentence for each policy that the local cloud does not have. */
export function provisionRoles(resources: readonly Resource[], iam: Iam): string[] {
  const unknown: string[] = [];
  const attached = attachedPolicies(resources);
  const managed = new Map(
    resources
      .filter(({ type }) => type === "AWS::IAM::ManagedPolicy")
      .map((resource) => [resource.arn ?? "", rolePolicy(resource)] as const),
  );
  const roles = resources.filter(({ type }) => type === "AWS::IAM::Role");
  const definitions = roles.map((role): RoleDefinition => {
    const properties = Properties.of(role);
    const inline = properties.objects("Policies").map((policy) => ({
      name: policy.text("PolicyName"),
      document: policy.json("PolicyDocument") as PolicyDocument,
    }));
    const byArn = properties.texts("ManagedPolicyArns").flatMap((policyArn) => {
      const document = awsManagedPolicy(policyArn);
      const policy = document ? { name: policyArn, document } : managed.get(policyArn);
      if (!policy)
        unknown.push(`AWS::IAM::Role (${role.constructPath}): ${policyArn} is not known and allows nothing.`);
      return policy ? [policy] : [];
    });
    return {
      arn: role.arn ?? "",
      trust: properties.json("AssumeRolePolicyDocument") as PolicyDocument,
      policies: [...inline, ...byArn, ...(attached.get(role.physicalName) ?? [])],
    };
  });
  iam.addRoles(definitions);
  return unknown;
}

/** Policies that say themselves to which roles they belong, by role name. */
function attachedPolicies(resources: readonly Resource[]): Map<string, RolePolicy[]> {
  const byRole = new Map<string, RolePolicy[]>();
  for (const resource of resources) {
    if (resource.type !== "AWS::IAM::Policy" && resource.type !== "AWS::IAM::ManagedPolicy") continue;
    for (const roleName of Properties.of(resource).texts("Roles")) {
      byRole.set(roleName, [...(byRole.get(roleName) ?? []), rolePolicy(resource)]);
    }
  }
  return byRole;
}

function rolePolicy(resource: Resource): RolePolicy {
  return {
    name: resource.physicalName,
    document: Properties.of(resource).json("PolicyDocument") as PolicyDocument,
  };
}

/** Policies that hang on buckets, queues, topics, keys and functions. */
export function provisionResourcePolicies(resources: readonly Resource[], iam: Iam): void {
  for (const resource of resources) {
    const properties = Properties.of(resource);
    switch (resource.type) {
      case "AWS::S3::BucketPolicy":
        iam.addResourcePolicy(`arn:aws:s3:::${properties.text("Bucket")}`, document(properties, "PolicyDocument"));
        break;
      case "AWS::SQS::QueuePolicy":
        for (const queueArn of queueArns(properties.texts("Queues"), resources)) {
          iam.addResourcePolicy(queueArn, document(properties, "PolicyDocument"));
        }
        break;
      case "AWS::SNS::TopicPolicy":
        for (const topicArn of properties.texts("Topics")) {
          iam.addResourcePolicy(topicArn, document(properties, "PolicyDocument"));
        }
        break;
      case "AWS::KMS::Key":
        // Without a policy of its own a key gets one that opens it to its account.
        if (properties.has("KeyPolicy")) iam.addResourcePolicy(resource.arn ?? "", document(properties, "KeyPolicy"));
        break;
      case "AWS::Lambda::Permission":
        addPermission(properties, resources, iam);
        break;
    }
  }
}

/** A function's permission is a statement of its resource policy, written another way. */
function addPermission(properties: Properties, resources: readonly Resource[], iam: Iam): void {
  const functionArn = functionArnOf(properties.text("FunctionName"), resources);
  const principal = properties.text("Principal");
  const sourceArn = properties.optionalText("SourceArn");
  const sourceAccount = properties.optionalText("SourceAccount");
  iam.addResourcePolicy(functionArn, {
    Statement: {
      Effect: "Allow",
      Action: properties.text("Action"),
      Resource: functionArn,
      Principal: principal.endsWith(".amazonaws.com") ? { Service: principal } : { AWS: principal },
      Condition: {
        ...(sourceArn ? { ArnLike: { "aws:SourceArn": sourceArn } } : {}),
        ...(sourceAccount ? { StringEquals: { "aws:SourceAccount": sourceAccount } } : {}),
      },
    },
  });
}

/** A function is named by name or by ARN. */
export function functionArnOf(nameOrArn: string, resources: readonly Resource[]): string {
  const found = resources.find(
    ({ type, physicalName, arn }) =>
      type === "AWS::Lambda::Function" && (physicalName === nameOrArn || arn === nameOrArn),
  );
  return found?.arn ?? nameOrArn;
}

function queueArns(queueUrls: readonly string[], resources: readonly Resource[]): string[] {
  const names = queueUrls.map((url) => url.slice(url.lastIndexOf("/") + 1));
  return resources
    .filter(({ type, physicalName }) => type === "AWS::SQS::Queue" && names.includes(physicalName))
    .map((queue) => queue.arn ?? "");
}

function document(properties: Properties, name: string): PolicyDocument {
  return properties.json(name) as PolicyDocument;
}
