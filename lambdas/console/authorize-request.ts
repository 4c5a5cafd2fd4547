// What the authorizer answers: one policy for the whole API, so that API Gateway can keep it by token, and who is calling.
import type { Caller } from "../shared/routes.ts";

export interface AuthorizerAnswer {
  readonly principalId: string;
  readonly policyDocument: {
    readonly Version: "2012-10-17";
    readonly Statement: readonly {
      readonly Action: "execute-api:Invoke";
      readonly Effect: "Allow" | "Deny";
      readonly Resource: string;
    }[];
  };
  /** Texts: API Gateway takes nothing that is nested. */
  readonly context: Readonly<Record<string, string>>;
}

/** The token of `Authorization: Bearer …`; the scheme's case does not matter. */
export function bearerToken(
  headers: Readonly<Record<string, string | undefined>> | null | undefined,
): string | undefined {
  const entry = Object.entries(headers ?? {}).find(([name]) => name.toLowerCase() === "authorization");
  return /^Bearer +([\w.~+/=-]+)$/i.exec(entry?.[1]?.trim() ?? "")?.[1];
}

/** Roles are checked per route by the functions; whoever is known may call the API. */
export function allow(caller: Caller, methodArn: string): AuthorizerAnswer {
  const context = { subject: caller.subject, name: caller.name, roles: caller.roles.join(",") };
  return { principalId: caller.subject, policyDocument: policy("Allow", methodArn), context };
}

/**
 * Not an error: an error of the function would be counted as one, and every stranger's token would raise the alarm. The
 * API's answer to a denial is 401, since nothing is denied here for any other reason.
 */
export function deny(methodArn: string): AuthorizerAnswer {
  return { principalId: "nobody", policyDocument: policy("Deny", methodArn), context: {} };
}

function policy(Effect: "Allow" | "Deny", methodArn: string): AuthorizerAnswer["policyDocument"] {
  // arn:aws:execute-api:<region>:<account>:<api>/<stage>/<method>/<path>
  const [api = "", stage = ""] = methodArn.split("/");
  return {
    Version: "2012-10-17",
    Statement: [{ Action: "execute-api:Invoke", Effect, Resource: `${api}/${stage}/*` }],
  };
}
