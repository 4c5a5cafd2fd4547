// Check account: does what an operator says of an account fit its provider, and may its addresses be called?
import type * as z from "zod";
import { CausewayError, isErrorNamed } from "../../shared/errors.ts";
import { type FieldProblem, wrongInput } from "../../shared/wrong-input.ts";
import type { Provider } from "../providers/provider.ts";
import type { Account, AccountSettings } from "../scheduling/account.ts";

export interface AccountChecks {
  readonly providerNames: readonly string[];
  provider(name: string): Promise<Provider> | undefined;
  /** Throws `AddressRefused`. */
  checkAddress(url: string): Promise<void>;
  /** Throws `AddressRefused`. */
  checkProxy(host: string, port: number): Promise<void>;
}

/** The settings as they are kept, and their provider. Throws `InputInvalid` or `AddressRefused`, naming the fields. */
export async function checkSettings(
  settings: AccountSettings,
  checks: AccountChecks,
): Promise<{ readonly settings: AccountSettings; readonly provider: Provider }> {
  const provider = await checks.provider(settings.provider);
  if (provider === undefined) {
    const problem = `There is no such provider; there are ${checks.providerNames.join(", ")}.`;
    throw wrongInput([{ field: "body.provider", problem }]);
  }
  const own = parsed(provider.settings, settings.settings, "body.settings");
  const checked = { ...settings, settings: own };
  await naming("body.settings.baseUrl", () => checks.checkAddress(baseUrlOf(provider, checked)));
  const { proxy } = settings;
  if (proxy !== null) await naming("body.proxy.host", () => checks.checkProxy(proxy.host, proxy.port));
  return { settings: checked, provider };
}

/** As it is to be encrypted. Throws `InputInvalid`; no value and no unknown name is repeated, for one may be the secret. */
export function checkCredential(credential: Readonly<Record<string, unknown>>, provider: Provider): unknown {
  const known = Object.keys(provider.credential.shape);
  const unknown = Object.keys(credential).filter((name) => !known.includes(name));
  if (unknown.length > 0) {
    const problem = `It has fields that ${provider.name} does not ask for; it asks for ${known.join(", ")}.`;
    throw wrongInput([{ field: "body.credential", problem }]);
  }
  return parsed(provider.credential, credential, "body.credential");
}

/**
 * Whether a change would send the stored credential somewhere else: to another base URL, for the path may name another
 * tenant of a gateway, or through another proxy, which may be given its login. Whoever may change settings must not be able
 * to have a secret sent to an address of theirs.
 */
export function sendsElsewhere(before: Account, after: AccountSettings, provider: Provider): boolean {
  const address = (settings: AccountSettings) => new URL(baseUrlOf(provider, settings)).href.replace(/\/+$/, "");
  if (address(before) !== address(after)) return true;
  return after.proxy !== null && !isSameProxy(before.proxy, after.proxy);
}

function isSameProxy(left: AccountSettings["proxy"], right: AccountSettings["proxy"]): boolean {
  return left?.type === right?.type && left?.host === right?.host && left?.port === right?.port;
}

/** A provider looks at an account's settings alone for it. */
function baseUrlOf(provider: Provider, settings: AccountSettings): string {
  return provider.baseUrlOf(settings as Account);
}

function parsed(schema: z.ZodObject, value: unknown, at: string): Record<string, unknown> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const problems = result.error.issues.flatMap((issue): FieldProblem[] => {
    const field = [at, ...issue.path].join(".").slice(0, 200);
    if (issue.code !== "unrecognized_keys") return [{ field, problem: issue.message }];
    const known = Object.keys(schema.shape).join(", ") || "none";
    return issue.keys.map((key) => ({
      field: `${field}.${key.slice(0, 64)}`,
      problem: `The provider has no such field; there are: ${known}.`,
    }));
  });
  throw wrongInput(problems.slice(0, 20));
}

async function naming(field: string, check: () => Promise<void>): Promise<void> {
  try {
    await check();
  } catch (error) {
    if (!isErrorNamed(error, "AddressRefused")) throw error;
    const problem = (error as Error).message;
    throw new CausewayError("AddressRefused", problem, { details: { fields: [{ field, problem }] } });
  }
}
