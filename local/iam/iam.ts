// Who may do what in the local cloud: roles and resource policies from the templates, evaluated as AWS does.
// Source: "Policy evaluation logic" in the IAM User Guide (one account; no permission boundaries, SCPs or sessions).
import { type Authorize, type Principal, ServiceError } from "../gateway/service.ts";
import { CallRecord } from "./call-record.ts";
import type { ConditionContext } from "./conditions.ts";
import { KeyStore } from "./credentials.ts";
import {
  type CompiledPolicy,
  type CompiledStatement,
  compilePolicy,
  countUse,
  type PolicyDocument,
  principalMatches,
  type Question,
  statementApplies,
} from "./policy-document.ts";

export interface RolePolicy {
  readonly name: string;
  readonly document: PolicyDocument;
}

export interface RoleDefinition {
  readonly arn: string;
  /** Who may assume it. */
  readonly trust: PolicyDocument;
  readonly policies: readonly RolePolicy[];
}

export interface IamOptions {
  readonly accountId: string;
  readonly region: string;
  /** Exists already; the keys are kept here. */
  readonly stateDirectory: string;
}

/** A call that a service of AWS makes in its own name: EventBridge puts a message into a queue, say. */
export interface ServiceCall {
  /** `events.amazonaws.com` */
  readonly service: string;
  readonly action: string;
  readonly resource: string;
  /** ARN of the rule or schedule on whose behalf. */
  readonly sourceArn: string;
}

/** A permission in a role's policy. */
export interface Grant {
  readonly roleArn: string;
  readonly policyName: string;
  readonly statementIndex: number;
  /** As the template writes it: `s3:GetObject`, `s3:List*`. */
  readonly action: string;
}

export interface GrantUse extends Grant {
  /** Calls that it let through since boot. */
  readonly uses: number;
}

interface Role {
  readonly principal: Principal;
  readonly trust: CompiledPolicy;
  readonly policies: readonly { readonly name: string; readonly compiled: CompiledPolicy }[];
}

interface ResourcePolicy {
  /** The thing itself and what lies in it: a bucket's policy also speaks about its objects. */
  readonly covers: (resource: string) => boolean;
  readonly compiled: CompiledPolicy;
  /** A key's policy must open the key to the account before the account's roles can be granted anything. */
  readonly isKeyPolicy: boolean;
}

type Verdict = { readonly allowed: true } | { readonly allowed: false; readonly because: string };

export class Iam {
  readonly operator: Principal;
  readonly calls = new CallRecord();
  readonly #accountId: string;
  readonly #region: string;
  readonly #keys: KeyStore;
  readonly #roles = new Map<string, Role>();
  readonly #principals = new Map<string, Principal>();
  readonly #resourcePolicies: ResourcePolicy[] = [];
  readonly #unsupported = new Set<string>();

  constructor(options: IamOptions) {
    this.#accountId = options.accountId;
    this.#region = options.region;
    this.#keys = new KeyStore(options.stateDirectory);
    this.operator = { arn: `arn:aws:iam::${options.accountId}:user/operator`, ...this.#keys.operator() };
    this.#principals.set(this.operator.accessKeyId, this.operator);
    this.#keys.save();
  }

  /** One sentence for each element of a policy that is not evaluated. */
  get unsupported(): readonly string[] {
    return [...this.#unsupported];
  }

  addRoles(definitions: readonly RoleDefinition[]): void {
    for (const definition of definitions) {
      const principal = { arn: definition.arn, ...this.#keys.role(definition.arn) };
      this.#roles.set(definition.arn, {
        principal,
        trust: this.#compile(definition.trust, `trust policy of ${definition.arn}`),
        policies: definition.policies.map(({ name, document }) => ({
          name,
          compiled: this.#compile(document, `policy ${name} of ${definition.arn}`),
        })),
      });
      this.#principals.set(principal.accessKeyId, principal);
    }
    this.#keys.save();
  }

  /** The policy that hangs on a bucket, queue, key or function. */
  addResourcePolicy(resourceArn: string, document: PolicyDocument): void {
    this.#resourcePolicies.push({
      covers: (resource) => resource === resourceArn || resource.startsWith(`${resourceArn}/`),
      compiled: this.#compile(document, `policy of ${resourceArn}`),
      isKeyPolicy: /^arn:[^:]+:kms:/.test(resourceArn),
    });
  }

  /** For the gateway. */
  readonly principalOf = (accessKeyId: string): Principal | undefined => this.#principals.get(accessKeyId);

  /**
   * The principal as which an AWS service acts through a role. Throws AccessDenied when the role's trust policy
   * does not let the service assume it, or there is no such role.
   */
  assumeRole(roleArn: string, service: string, sourceArn?: string): Principal {
    const role = this.#roles.get(roleArn);
    const question = {
      action: "sts:AssumeRole",
      resource: roleArn,
      context: this.#context(service, sourceArn ? { "aws:SourceArn": sourceArn } : {}),
    };
    const trusted = role?.trust.statements.filter((statement) => principalMatches(statement, "Service", [service]));
    if (!role || !trusted || !decides(trusted, question)) {
      throw accessDenied(`${service} is not authorized to perform: sts:AssumeRole on resource: ${roleArn}`);
    }
    return role.principal;
  }

  /** Throws `AccessDenied`, 403; a service turns it into its own error. */
  readonly authorize: Authorize = (principal, action, resource, context = {}) => {
    if (principal.accessKeyId === this.operator.accessKeyId) return;
    const question = { action, resource, context: this.#context(principal.arn, context) };
    const verdict = this.#judge(principal, question);
    this.calls.add({ principalArn: principal.arn, action, resource, allowed: verdict.allowed });
    if (verdict.allowed) return;
    throw accessDenied(
      `User: ${sessionArn(principal.arn)} is not authorized to perform: ${action} on resource: ${resource} ` +
        `because ${verdict.because}`,
    );
  };

  /** Whether a resource's own policy lets a service of AWS in: queues and functions as targets of rules. */
  serviceMay(call: ServiceCall): boolean {
    const question = {
      action: call.action,
      resource: call.resource,
      context: this.#context(call.service, { "aws:SourceArn": call.sourceArn }),
    };
    const statements = this.#policiesOn(call.resource)
      .flatMap((policy) => policy.compiled.statements)
      .filter((statement) => principalMatches(statement, "Service", [call.service]));
    const allowed = decides(statements, question);
    this.calls.add({ principalArn: call.service, action: call.action, resource: call.resource, allowed });
    return allowed;
  }

  /** Every permission in the roles' own policies, and how much it was used. */
  grants(): GrantUse[] {
    return [...this.#roles.values()].flatMap((role) =>
      role.policies.flatMap(({ name, compiled }) =>
        compiled.statements.flatMap((statement, statementIndex) =>
          statement.effect === "Deny"
            ? []
            : statement.actions.map(({ pattern, uses }) => ({
                roleArn: role.principal.arn,
                policyName: name,
                statementIndex,
                action: pattern,
                uses,
              })),
        ),
      ),
    );
  }

  /**
   * Takes a permission away, as if the template did not have it; returns the function that gives it back.
   * With it a test can try what each permission is needed for, without booting anew. Throws when there is none such.
   */
  withhold(wanted: Grant): () => void {
    const policies = this.#roles.get(wanted.roleArn)?.policies.filter(({ name }) => name === wanted.policyName) ?? [];
    const found = policies
      .flatMap(({ compiled }) => compiled.statements[wanted.statementIndex]?.actions ?? [])
      .filter((grant) => grant.pattern === wanted.action);
    if (found.length === 0) throw new Error(`${wanted.roleArn} has no such grant: ${JSON.stringify(wanted)}`);
    for (const grant of found) grant.withheld = true;
    return () => {
      for (const grant of found) grant.withheld = false;
    };
  }

  #judge(principal: Principal, question: Question): Verdict {
    const own = this.#roles.get(principal.arn)?.policies.flatMap((policy) => policy.compiled.statements) ?? [];
    const onResource = this.#policiesOn(question.resource);
    const account = [`arn:aws:iam::${this.#accountId}:root`, this.#accountId];
    const about = (names: readonly string[]) =>
      onResource.flatMap((policy) =>
        policy.compiled.statements.filter((statement) => principalMatches(statement, "AWS", names)),
      );
    const aboutPrincipal = about([principal.arn]);

    if (applying(own, "Deny", question).length > 0) {
      return { allowed: false, because: "of an explicit deny in an identity-based policy" };
    }
    if (applying(about([principal.arn, ...account]), "Deny", question).length > 0) {
      return { allowed: false, because: "of an explicit deny in a resource-based policy" };
    }
    const ownGrants = applying(own, "Allow", question);
    for (const statement of ownGrants) countUse(statement, question.action);
    if (applying(aboutPrincipal, "Allow", question).length > 0) return { allowed: true };
    const keyPolicies = onResource.some((policy) => policy.isKeyPolicy);
    if (keyPolicies && applying(about(account), "Allow", question).length === 0) {
      return { allowed: false, because: `no resource-based policy allows the ${question.action} action` };
    }
    if (ownGrants.length > 0) return { allowed: true };
    return { allowed: false, because: `no identity-based policy allows the ${question.action} action` };
  }

  #policiesOn(resource: string): ResourcePolicy[] {
    return this.#resourcePolicies.filter((policy) => policy.covers(resource));
  }

  #compile(document: PolicyDocument, where: string): CompiledPolicy {
    const compiled = compilePolicy(document, where);
    for (const sentence of compiled.unsupported) this.#unsupported.add(sentence);
    return compiled;
  }

  #context(principal: string, given: Readonly<Record<string, string>>): ConditionContext {
    const isService = principal.endsWith(".amazonaws.com");
    const context = new Map<string, string>([
      // The laptop's cloud speaks plain HTTP on loopback, where nobody can listen in: it counts as TLS.
      ["aws:securetransport", "true"],
      ["s3:tlsversion", "1.3"],
      ["aws:requestedregion", this.#region],
      ["aws:resourceaccount", this.#accountId],
      ["aws:principalisawsservice", String(isService)],
    ]);
    if (isService) context.set("aws:sourceaccount", this.#accountId);
    else context.set("aws:principalarn", principal).set("aws:principalaccount", this.#accountId);
    for (const [key, value] of Object.entries(given)) context.set(key.toLowerCase(), value);
    return context;
  }
}

function applying(statements: readonly CompiledStatement[], effect: "Allow" | "Deny", question: Question) {
  return statements.filter((statement) => statement.effect === effect && statementApplies(statement, question));
}

function decides(statements: readonly CompiledStatement[], question: Question): boolean {
  return applying(statements, "Deny", question).length === 0 && applying(statements, "Allow", question).length > 0;
}

function accessDenied(message: string): ServiceError {
  return new ServiceError(403, "AccessDenied", message);
}

/** AWS names the session under which a role acts. */
function sessionArn(roleArn: string): string {
  const [, partition, accountId, name] = /^arn:([^:]+):iam::(\d+):role\/(?:.*\/)?([^/]+)$/.exec(roleArn) ?? [];
  return name ? `arn:${partition}:sts::${accountId}:assumed-role/${name}/local` : roleArn;
}
