// Probe accounts: the cheapest call with an account's own credential, by hand or by schedule, and what it says of the account.
import { proxyOf } from "../credentials/account-proxy.ts";
import type { Provider, UpstreamAnswer } from "../providers/provider.ts";
import { type Exchange, type Transport, TransportError } from "../transports/transport.ts";
import type { Account, ProbeResult } from "./account.ts";
import type { AccountConditions } from "./conditions.ts";
import { isLockedOut } from "./next-condition.ts";
import type { Snapshot } from "./snapshot.ts";

type Probing = Pick<Provider, "probe" | "judge">;

export interface ProbePorts {
  readonly read: () => Promise<Snapshot>;
  /** A consistent read. */
  readonly account: (accountId: string) => Promise<Account | undefined>;
  readonly provider: (name: string) => Promise<Probing> | undefined;
  readonly credential: (account: Account) => Promise<unknown>;
  readonly transport: Transport;
  readonly conditions: Pick<AccountConditions, "changed" | "works" | "answersLists">;
  readonly keepProbe: (accountId: string, result: ProbeResult) => Promise<void>;
  readonly now: () => number;
}

export interface Probed extends Omit<ProbeResult, "at"> {
  readonly accountId: string;
  /** Of the account's condition after the test. */
  readonly state: string;
}

/** All of them within the 28 s that an HTTP request has. */
const limits = { connectMilliseconds: 5000, firstByteMilliseconds: 15_000, silenceMilliseconds: 5000 };

const mostErrorBytes = 65_536;
const mostSaidLetters = 500;

/** In one run; who is left is due first in the next. */
const mostPerRun = 64;
const mostAtOnce = 8;

/** Runs do not come to the second. */
const earlyMilliseconds = 30_000;

/**
 * What only a person or a test brings back is tested at least so often, whatever the setting: vendors have had hours in which
 * good keys were answered with 401.
 */
const lockedOutMilliseconds = 3_600_000;

/** A list of models answers although messages are limited: only these are mended by a test. */
const mendedStates: readonly string[] = ["unauthorised", "blocked", "failing"];

/** By hand; also an account that is switched off or expired. Empty: there is none. */
export async function probeAccount(accountId: string, ports: ProbePorts): Promise<Probed[]> {
  const account = await ports.account(accountId);
  return account === undefined ? [] : [await probe(account, "by-hand", ports)];
}

/** By schedule: those whose last test is too long ago, the oldest first. Settings say how long; 0: only who is locked out. */
export async function probeDueAccounts(ports: ProbePorts): Promise<Probed[]> {
  const { accounts, settings } = await ports.read();
  const regularly = settings.probeMinutes === 0 ? Number.POSITIVE_INFINITY : settings.probeMinutes * 60_000;
  const longestOf = (account: Account) =>
    (isLockedOut(account.condition) ? Math.min(regularly, lockedOutMilliseconds) : regularly) - earlyMilliseconds;
  const testedAt = ({ lastProbe }: Account) => (lastProbe === undefined ? 0 : Date.parse(lastProbe.at));
  const due = accounts
    .map(({ account }) => account)
    .filter((account) => account.schedulable && account.credentialVersion > 0)
    .filter((account) => ports.now() - testedAt(account) >= longestOf(account))
    .sort((left, right) => testedAt(left) - testedAt(right))
    .slice(0, mostPerRun);
  const probed: Probed[] = [];
  const work = async () => {
    for (let account = due.shift(); account !== undefined; account = due.shift()) {
      probed.push(await probe(account, "by-schedule", ports));
    }
  };
  await Promise.all(Array.from({ length: mostAtOnce }, work));
  return probed;
}

type Occasion = "by-hand" | "by-schedule";

async function probe(account: Account, occasion: Occasion, ports: ProbePorts): Promise<Probed> {
  const { accountId } = account;
  const sentAt = ports.now();
  const { ok, status, said } = await attempt(account, sentAt, occasion, ports);
  const result: ProbeResult = {
    at: new Date(sentAt).toISOString(),
    ok,
    status,
    milliseconds: Math.round(ports.now() - sentAt),
    said: said.slice(0, mostSaidLetters),
  };
  await ports.keepProbe(accountId, result);
  const after = await ports.account(accountId);
  const { at: _, ...shown } = result;
  return { accountId, ...shown, state: (after ?? account).condition.state };
}

type Outcome = Pick<ProbeResult, "ok" | "status" | "said">;

async function attempt(account: Account, sentAt: number, occasion: Occasion, ports: ProbePorts): Promise<Outcome> {
  let answer: UpstreamAnswer;
  let provider: Probing | undefined;
  let isList = false;
  try {
    provider = await ports.provider(account.provider);
    if (provider === undefined) return { ok: false, status: null, said: `There is no provider ${account.provider}.` };
    const credential = await ports.credential(account);
    const proxy = proxyOf(account, credential);
    const options = { limits, ...(proxy !== undefined && { proxy }) };
    const request = provider.probe(account, credential);
    isList = request.method === "GET";
    answer = await readAnswer(await ports.transport.send(request, options));
  } catch (error) {
    const said = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    // What is wrong on our side, such as a credential that cannot be read, says nothing of the account.
    if (error instanceof TransportError) {
      await ports.conditions.changed(account, { state: "failing", said: said.slice(0, mostSaidLetters) }, sentAt);
    }
    return { ok: false, status: null, said };
  }
  const { status } = answer;
  if (status >= 200 && status < 300) {
    if (mendedStates.includes(account.condition.state)) {
      if (isList && occasion === "by-schedule") await ports.conditions.answersLists(account, sentAt);
      else await ports.conditions.works(account, undefined, sentAt);
    }
    return { ok: true, status, said: "" };
  }
  const verdict = provider.judge(answer, { model: "" }, ports.now());
  if (verdict.kind === "pass") return { ok: false, status, said: `The test was answered with HTTP ${status}.` };
  // Lists of models have limits of their own.
  const isOfLists = isList && verdict.change?.state === "rate-limited";
  if (verdict.change !== undefined && !isOfLists) await ports.conditions.changed(account, verdict.change, sentAt);
  return { ok: false, status, said: verdict.change?.said ?? verdict.refusal.message };
}

/** Of an error its beginning, of a success nothing more than its status. */
async function readAnswer(exchange: Exchange): Promise<UpstreamAnswer> {
  const { status, headers, body } = exchange;
  const chunks: Buffer[] = [];
  let bytes = 0;
  if (status >= 300) {
    for await (const chunk of body) {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes >= mostErrorBytes) break;
    }
  }
  exchange.abort();
  return { status, headers, body: Buffer.concat(chunks).subarray(0, mostErrorBytes) };
}
