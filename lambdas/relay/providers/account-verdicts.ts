// Verdicts that all providers share: what a change of the account means for the client, and statuses that every vendor has.
import { Refusal } from "../refusal.ts";
import type { AccountChange, Asked, Provider, UpstreamAnswer, Verdict } from "./provider.ts";
import { retryAfterOf } from "./reset-times.ts";

export const pass: Verdict = { kind: "pass" };

/** What a vendor's error says, in whatever form; empty where it says nothing. */
export interface VendorError {
  readonly type: string;
  readonly code: string;
  readonly message: string;
}

/** Of what is said for the history. */
const mostSaidCharacters = 500;
/** Of what is looked at: a body may be 64 KiB without a space, on which searching for patterns would take its time. */
const mostReadCharacters = 2000;
const mostNameCharacters = 100;

/** Keys, what is left of one that a vendor masked (`sk-proj-abc***xyz`), and any long run of letters that could be one. */
const keys =
  /\b(?:(?:sk|pk|rk|gsk|xai)[-_]|AIza|ya29\.|eyJ|Bearer )[\w\-*.…]{6,}|\S*\*{3,}\S*|\b(?!req_)(?=[\w-]*\d)[\w-]{32,}/g;

/** `type: message`, without what looks like a key, in one line. */
export function saidOf({ status }: UpstreamAnswer, { type, code, message }: VendorError): string {
  const name = [type, code].filter((part) => part !== "").join(", ");
  const text = `HTTP ${status}${name && ` ${name}`}${message && `: ${message}`}`;
  return text
    .replace(keys, "(hidden)")
    .replace(/[\s\p{Cc}]+/gu, " ")
    .trim()
    .slice(0, mostSaidCharacters);
}

/** The account is changed, and the client, where nobody takes over, is told what that means for it. */
export function changed(change: AccountChange, refusal: Refusal = refusalOf(change)): Verdict {
  return { kind: "account", change, refusal };
}

/** The account lacks what was asked, and is as good as before. */
export function lacking(): Verdict {
  return { kind: "account", refusal: new Refusal("NoAccount", "No account of this relay is allowed what was asked.") };
}

/** Only that family of models where it is known, else the whole account. */
export function ofFamily({ family }: Asked): { readonly family?: string } {
  return family === undefined || family === "" ? {} : { family };
}

export function untilOf(until: number | undefined): { readonly until?: number } {
  return until === undefined ? {} : { until };
}

/**
 * Statuses of 3xx, 408 and 5xx: the provider, or the way to it, failed. The models of one family may fail while others
 * work; a gateway's own statuses (502, 520 to 526) tell of the whole account. There are requests on which servers break, or
 * work for too long: but for an overload these are doubtful. Undefined for what says something of the request.
 */
export function judgeFailure(
  answer: UpstreamAnswer,
  asked: Asked,
  error: VendorError,
  now: number,
): Verdict | undefined {
  const { status, headers } = answer;
  const said = saidOf(answer, error);
  const until = untilOf(retryAfterOf(headers, now));
  if (status >= 300 && status < 400) return changed({ state: "failing", said: `${said} (a redirect, not followed)` });
  if (status === 408 || status === 504 || status === 524) {
    const refusal = new Refusal("UpstreamTimeout", "The provider did not answer in time.");
    return changed({ state: "failing", isDoubtful: true, said, ...until, ...ofFamily(asked) }, refusal);
  }
  if (status === 529 || status === 503) return changed({ state: "overloaded", said, ...until, ...ofFamily(asked) });
  // 501: this provider does not have what was asked for.
  if (status < 500 || status === 501) return undefined;
  return changed({ state: "failing", isDoubtful: true, said, ...until, ...(status === 500 && ofFamily(asked)) });
}

function refusalOf({ state, until }: AccountChange): Refusal {
  const resetAt = until === undefined ? {} : { resetAt: until };
  if (state === "rate-limited") {
    return new Refusal("AccountsLimited", "The provider's rate limit is reached. Try again later.", resetAt);
  }
  if (state === "quota-spent") {
    return new Refusal("AccountsLimited", "The provider's quota is used up for now.", resetAt);
  }
  if (state === "overloaded") return new Refusal("UpstreamOverloaded", "The provider is overloaded. Try again later.");
  if (state === "failing") return new Refusal("UpstreamFailed", "The provider failed. Try again later.");
  return new Refusal("UpstreamFailed", "The provider refuses the relay. Its operator has to look at it.");
}

/** Errors in a stream carry the same types as those with a status: they are judged as if they had come with it. */
export function judgingStreamed(
  statuses: Readonly<Record<string, number>>,
  judge: Provider["judge"],
): Provider["judgeStreamed"] {
  return ({ type, message }, asked, now) => {
    const status = Object.hasOwn(statuses, type) ? (statuses[type] ?? 500) : 500;
    const body = Buffer.from(JSON.stringify({ error: { type, code: type, status: type, message } }));
    return judge({ status, headers: {}, body }, asked, now);
  };
}

/**
 * The message without the name of the model, which the client chose: a model called "oauth" must not read as a word of the
 * vendor's about the account.
 */
export function ownWords({ message }: VendorError, { model }: Asked): string {
  return model === "" ? message : message.replaceAll(model, "…");
}

/** Of a body that is JSON; anything else is text. Never throws. */
export function readVendorError(body: Buffer): { readonly error: VendorError; readonly json: unknown } {
  const json = parse(body);
  const outer = fieldsOf(Array.isArray(json) ? json[0] : json);
  const inner = fieldsOf(outer.error);
  const plain = [outer.error, outer.message, outer.detail, outer.msg].find((text) => typeof text === "string");
  const text = json === undefined ? body.toString("utf8", 0, mostSaidCharacters) : "";
  return {
    json: Array.isArray(json) ? json[0] : json,
    error: {
      type: textOf(inner.type ?? inner.status ?? outer.type).slice(0, mostNameCharacters),
      code: textOf(inner.code ?? outer.code).slice(0, mostNameCharacters),
      message: textOf(inner.message ?? plain ?? text).slice(0, mostReadCharacters),
    },
  };
}

/** The fields of an object; none of anything else. */
export function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
}

export function textOf(value: unknown): string {
  return typeof value === "string" ? value : typeof value === "number" ? String(value) : "";
}

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString("utf8"));
  } catch {
    return undefined;
  }
}
