// REQUEST authorizers: a function says by a policy who may call what, and its word is kept for a while.
// Source: "Use API Gateway Lambda authorizers" in the API Gateway Developer Guide.
import * as z from "zod";
import type { ConditionContext } from "../iam/conditions.ts";
import { type CompiledPolicy, compilePolicy, type PolicyDocument, statementApplies } from "../iam/policy-document.ts";
import type { AuthorizerDefinition } from "./api-definition.ts";
import { type AuthorizerContext, apiArn, type Call, eventBasis, methodArn } from "./call-context.ts";
import { GatewayError } from "./gateway-error.ts";
import { lastHeader } from "./incoming-request.ts";
import { demandPermission, type FunctionCaller, inTime } from "./lambda-integration.ts";
import { parseJson } from "./proxy-answer.ts";

interface Verdict {
  readonly policy: CompiledPolicy;
  readonly context: AuthorizerContext;
}

interface KeptVerdict extends Verdict {
  readonly until: number;
}

const textOrTexts = z.union([z.string(), z.array(z.string()).min(1)]);
const authorizerAnswer = z.looseObject({
  principalId: z.string().nullish(),
  policyDocument: z.looseObject({
    Statement: z.array(
      z.looseObject({ Effect: z.enum(["Allow", "Deny"]), Action: textOrTexts, Resource: textOrTexts }),
    ),
  }),
  // Texts, numbers and truth values only: anything else makes the whole answer invalid.
  context: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).nullish(),
});

/** API Gateway waits no longer for an authorizer. */
const longestAuthorizerMilliseconds = 29_000;
/** Kept answers; the oldest make room. */
const mostKept = 10_000;

export class RequestAuthorizers {
  readonly #caller: FunctionCaller;
  readonly #kept = new Map<string, KeptVerdict>();

  constructor(caller: FunctionCaller) {
    this.#caller = caller;
  }

  /** Puts the authorizer's context into the call's. Throws GatewayError: 401, 403 or 500. */
  async authorize(call: Call, authorizer: AuthorizerDefinition): Promise<void> {
    const identity = authorizer.identitySources.map((source) => identityOf(source, call));
    if (identity.some((value) => value === undefined || value === "")) {
      throw new GatewayError("UNAUTHORIZED", "Unauthorized");
    }
    const verdict = await this.#verdict(call, authorizer, identity);
    demandAllowed(verdict.policy, methodArn(call, this.#caller.place), call);
    call.context.authorizer = verdict.context;
  }

  /** A kept answer speaks for every method of the stage, as in AWS: its policy must. */
  async #verdict(
    call: Call,
    authorizer: AuthorizerDefinition,
    identity: readonly (string | undefined)[],
  ): Promise<Verdict> {
    const { clock } = this.#caller;
    const keeps = authorizer.resultTtlSeconds > 0 && identity.length > 0;
    const key = JSON.stringify([authorizer.id, call.stage.name, identity]);
    const kept = keeps ? this.#kept.get(key) : undefined;
    if (kept && kept.until > clock.now()) return kept;
    const verdict = await this.#ask(call, authorizer);
    if (keeps) {
      this.#kept.delete(key);
      this.#kept.set(key, { ...verdict, until: clock.now() + authorizer.resultTtlSeconds * 1000 });
      const [oldest] = this.#kept.keys();
      if (this.#kept.size > mostKept && oldest !== undefined) this.#kept.delete(oldest);
    }
    return verdict;
  }

  async #ask(call: Call, authorizer: AuthorizerDefinition): Promise<Verdict> {
    const { place, lambda, clock } = this.#caller;
    const { functionArn } = authorizer;
    try {
      demandPermission(this.#caller, functionArn, `${apiArn(place, call.api.apiId)}/authorizers/${authorizer.id}`);
    } catch {
      throw configurationError();
    }
    const event = JSON.stringify({ type: "REQUEST", methodArn: methodArn(call, place), ...eventBasis(call) });
    const askedAt = clock.now();
    const result = await inTime(clock, longestAuthorizerMilliseconds, lambda.invoke(functionArn, event)).catch(() => {
      throw authorizerFailure();
    });
    if (result === "late") throw authorizerFailure();
    if (result.error?.errorMessage === "Unauthorized") throw new GatewayError("UNAUTHORIZED", "Unauthorized");
    if (result.error) throw authorizerFailure();
    return readVerdict(result.payload, Math.round(clock.now() - askedAt));
  }
}

function readVerdict(payload: string, integrationLatency: number): Verdict {
  const parsed = authorizerAnswer.safeParse(parseJson(payload));
  if (!parsed.success) throw configurationError();
  const { principalId, policyDocument, context } = parsed.data;
  const texts = Object.entries(context ?? {}).map(([name, value]) => [name, String(value)] as const);
  return {
    policy: compilePolicy(policyDocument as PolicyDocument, "the authorizer's policy"),
    context: { ...Object.fromEntries(texts), ...(principalId ? { principalId } : {}), integrationLatency },
  };
}

function demandAllowed(policy: CompiledPolicy, resource: string, call: Call): void {
  const context: ConditionContext = new Map([["aws:sourceip", call.request.sourceIp]]);
  const question = { action: "execute-api:Invoke", resource, context };
  const applying = policy.statements.filter((statement) => statementApplies(statement, question));
  if (applying.some(({ effect }) => effect === "Deny")) {
    throw new GatewayError("ACCESS_DENIED", "User is not authorized to access this resource with an explicit deny");
  }
  if (applying.length === 0) throw new GatewayError("ACCESS_DENIED", "User is not authorized to access this resource");
}

/** `method.request.header.Authorization`, `method.request.querystring.key`, `stageVariables.x`, `context.identity.sourceIp`. */
function identityOf(source: string, call: Call): string | undefined {
  const [, place, name = ""] =
    /^(method\.request\.header|method\.request\.querystring|stageVariables|context)\.(.+)$/.exec(source) ?? [];
  if (place === "method.request.header") return lastHeader(call.request.headers, name);
  if (place === "method.request.querystring") return call.request.query.get(name)?.at(-1);
  if (place === "stageVariables") return call.stage.variables[name];
  if (place !== "context") return undefined;
  let at: unknown = call.context;
  for (const step of name.split(".")) at = (at as Readonly<Record<string, unknown>> | null | undefined)?.[step];
  return typeof at === "string" || typeof at === "number" ? String(at) : undefined;
}

function configurationError(): GatewayError {
  return new GatewayError("AUTHORIZER_CONFIGURATION_ERROR", null);
}

function authorizerFailure(): GatewayError {
  return new GatewayError("AUTHORIZER_FAILURE", null);
}
