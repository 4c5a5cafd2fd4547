// Reach account: the request goes to the best account that has a slot, and to the next one while nothing was answered yet.
import type { Price } from "../counting/price.ts";
import { proxyOf } from "../credentials/account-proxy.ts";
import type { LedgerKey } from "../ledger/ledger.ts";
import type { Call, Protocol } from "../protocols/protocol.ts";
import { type AccountChange, mappedModel, type Provider, type Verdict } from "../providers/provider.ts";
import { Refusal } from "../refusal.ts";
import type { Account } from "../scheduling/account.ts";
import { type Choice, chooseAccount } from "../scheduling/choose-account.ts";
import type { Slot, SlotFigures } from "../scheduling/slot.ts";
import type { AccountView, Snapshot } from "../scheduling/snapshot.ts";
import { type Exchange, TransportError, type TransportLimits } from "../transports/transport.ts";
import { type Begun, beginStream } from "./begin-stream.ts";
import type { ServingPorts } from "./ports.ts";
import { failureOf, isGivenUp, unusableBy } from "./what-failed.ts";

/** What is known of the request when an account is looked for. */
export interface Search {
  readonly requestId: string;
  readonly protocol: Protocol;
  readonly call: Call;
  readonly key: LedgerKey;
  readonly snapshot: Snapshot;
  readonly price: Price | undefined;
  /** The account that the session is bound to. */
  readonly session: string | undefined;
  /** The account in which the things live that the request names. */
  readonly owner: string | undefined;
  /** When the invocation ends. */
  readonly endsAt: number;
  /** When a slot is free by itself. */
  readonly slotUntil: number;
}

/** A slot at an account, before anything was sent. */
export interface Seat {
  readonly account: Account;
  readonly slot: Slot;
  readonly left: { readonly accountId: string; readonly why: string } | undefined;
}

export interface Reached {
  readonly seat: Seat;
  readonly provider: Provider;
  readonly exchange: Exchange;
  readonly sentAt: number;
  /** An error's body, which was looked at and passes unchanged; or an answer that has begun. */
  readonly answer: { readonly error: AsyncIterable<Buffer> } | { readonly begun: Begun };
  /** What the account was asked for, after its mapping. */
  readonly modelSent: string;
  readonly accountsTried: number;
}

type Ports = Pick<
  ServingPorts,
  | "every"
  | "slots"
  | "provider"
  | "credential"
  | "forgetCredential"
  | "transport"
  | "conditions"
  | "now"
  | "random"
  | "telemetry"
>;

/** An upstream that was given up after its time, and may be working on the request all the same: its vendor bills that. */
export interface GivenUp {
  readonly account: Account;
  readonly modelSent: string;
  readonly waitedMilliseconds: number;
  readonly accountsTried: number;
}

/** Slots become free as answers end. */
const busyMilliseconds = 1000;

const timeToSettleMilliseconds = 10_000;

/** An error's body is looked at so far; what is longer passes on unread. */
const mostErrorBytes = 65_536;

type Accounts = Extract<Choice, { kind: "accounts" }>;

/** A seat at the best account of the choice that has a slot. Throws `Refusal` where all of them are full. */
export async function takeSeat(choice: Accounts, search: Search, ports: Ports): Promise<Seat> {
  for (const { view } of choice.accounts) {
    const slot = await ports.slots.take(view, search.requestId, search.slotUntil, ports.now());
    if (slot !== undefined) return { account: view.account, slot, left: choice.left ?? leftAsFull(view, search) };
  }
  const resetAt = ports.now() + busyMilliseconds;
  throw new Refusal("AccountsLimited", "Every account that could answer is busy. Try again in a moment.", { resetAt });
}

/** The session's account was to be used, and had no slot. */
function leftAsFull({ account }: AccountView, { session }: Search): Seat["left"] {
  const isWithIt = session === undefined || session === account.accountId;
  return isWithIt ? undefined : { accountId: session, why: "full" };
}

/**
 * Sends to the seat's account, and to others while nothing was answered. Every slot that was taken here is freed again,
 * but that of the account that was reached. Throws the last refusal; `onGivenUp` is called before, where one was given up, and
 * says what that cost its account, nano-USD.
 */
export async function reachAccount(
  first: Seat,
  search: Search,
  ports: Ports,
  onGivenUp: (givenUp: GivenUp) => number,
): Promise<Reached> {
  const tried = new Set<string>();
  const mostTried = search.owner === undefined ? search.snapshot.settings.mostAccountsTried : 1;
  let seat = first;
  for (;;) {
    const { account } = seat;
    tried.add(account.accountId);
    const accountsTried = tried.size;
    const modelSent = mappedModel(account, search.call.model);
    const attempt = await tryAccount(seat, search, ports, (waitedMilliseconds) =>
      onGivenUp({ account, modelSent, waitedMilliseconds, accountsTried }),
    );
    if (!("refusal" in attempt)) return { ...attempt, seat, accountsTried, modelSent };
    if (attempt.isGivenUp || accountsTried >= mostTried) throw attempt.refusal;
    seat = await nextSeat(search, tried, ports, attempt.refusal);
  }
}

type Attempt =
  | Omit<Reached, "seat" | "accountsTried" | "modelSent">
  | { readonly refusal: Refusal; readonly isGivenUp: boolean };

/** `costOfWaiting`: real cost of an upstream that was given up after so many milliseconds. */
async function tryAccount(
  seat: Seat,
  search: Search,
  ports: Ports,
  costOfWaiting: (waitedMilliseconds: number) => number,
): Promise<Attempt> {
  const { account, slot } = seat;
  const { call, requestId } = search;
  const sentAt = ports.now();
  const free = (figures: SlotFigures | undefined) =>
    ports.slots
      .release(slot, requestId, figures, ports.now())
      .catch((error) => ports.telemetry.failure(error, requestId));
  const blame = async (change: AccountChange, realNanoUsd = 0) => {
    const noted = ports.conditions.changed(account, change, sentAt, search.key.keyId);
    const isCostAlone = change.isDoubtful === true && !(await noted);
    await Promise.all([noted, free({ failed: true, firstByteMilliseconds: undefined, realNanoUsd, isCostAlone })]);
  };
  let exchange: Exchange | undefined;
  try {
    const provider = await ports.provider(account.provider);
    const credential = await ports.credential(account);
    const request = provider.prepare(call, account, credential);
    const proxy = proxyOf(account, credential);
    exchange = await ports.transport.send(request, {
      ...(proxy !== undefined && { proxy }),
      limits: limitsFor(search, sentAt),
    });
    const asked = { model: call.model, family: search.price?.family };
    const { answer, verdict } = await judgeAnswer(exchange, provider, asked, search, ports);
    if (verdict.kind === "pass") {
      return { provider, exchange, sentAt, answer };
    }
    exchange.abort();
    const change = isOfFreeCalls(verdict.change, call) ? undefined : verdict.change;
    if (change?.state === "unauthorised") ports.forgetCredential(account);
    await (change === undefined ? free(undefined) : blame(change));
    return { refusal: verdict.refusal, isGivenUp: false };
  } catch (error) {
    exchange?.abort();
    const unusable = unusableBy(error);
    if (unusable !== undefined) {
      await blame(unusable);
      return {
        refusal: new Refusal("UpstreamFailed", "The provider could not be asked.", { cause: error }),
        isGivenUp: false,
      };
    }
    if (!(error instanceof TransportError)) {
      await free(undefined);
      throw error;
    }
    const failed = afterTransport(error);
    await blame(failureOf(error), failed.isGivenUp ? costOfWaiting(Math.max(0, ports.now() - sentAt)) : 0);
    return failed;
  }
}

/**
 * Vendors limit calls that count tokens or list models by themselves (platform.claude.com/docs, "Token counting"): whoever
 * makes many, which no budget stops, must not take the account from those who pay.
 */
function isOfFreeCalls(change: AccountChange | undefined, { metering }: Call): boolean {
  return metering === "free" && change?.state === "rate-limited";
}

/** Whoever waits for a first byte until the invocation ends settles nothing any more. */
function limitsFor({ snapshot, endsAt }: Search, now: number): TransportLimits {
  const { settings } = snapshot;
  const left = Math.max(1, endsAt - now - timeToSettleMilliseconds);
  return { ...settings, firstByteMilliseconds: Math.min(settings.firstByteMilliseconds, left) };
}

/** An upstream that may be working on the request is not asked again elsewhere after its time: that would cost twice. */
function afterTransport(error: TransportError): Extract<Attempt, { readonly refusal: Refusal }> {
  const late = isGivenUp(error);
  const refusal = late
    ? new Refusal("UpstreamTimeout", "The provider did not begin to answer in time.", { cause: error })
    : new Refusal("UpstreamFailed", "The provider could not be reached.", { cause: error });
  return { refusal, isGivenUp: late };
}

interface Judged {
  readonly answer: Reached["answer"];
  readonly verdict: Verdict;
}

async function judgeAnswer(
  exchange: Exchange,
  provider: Provider,
  asked: Parameters<Provider["judge"]>[1],
  search: Search,
  ports: Ports,
): Promise<Judged> {
  const { status, headers } = exchange;
  if (status >= 400) {
    const { begun, error } = await readError(exchange);
    return { answer: { error }, verdict: provider.judge({ status, headers, body: begun }, asked, ports.now()) };
  }
  const begun = await beginStream({ ...search, exchange }, search.snapshot.settings.pingMilliseconds, ports);
  // An error as the first event: nothing went to the client yet.
  const streamed = begun.reader.streamedError;
  const verdict =
    streamed === undefined
      ? provider.judge({ status, headers, body: Buffer.alloc(0) }, asked, ports.now())
      : provider.judgeStreamed(streamed, asked, ports.now());
  return { answer: { begun }, verdict };
}

/** The beginning of an error's body, and the whole of it. */
async function readError({ body }: Exchange): Promise<{ begun: Buffer; error: AsyncIterable<Buffer> }> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  const iterator = body[Symbol.asyncIterator]();
  while (bytes < mostErrorBytes) {
    const { done, value } = await iterator.next();
    if (done) break;
    chunks.push(value);
    bytes += value.length;
  }
  const begun = Buffer.concat(chunks);
  return { begun: begun.subarray(0, mostErrorBytes), error: whole(begun, iterator) };
}

/** What was read, then the rest. */
async function* whole(begun: Buffer, iterator: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  yield begun;
  for (let next = await iterator.next(); !next.done; next = await iterator.next()) yield next.value;
}

/** The refusal of the account that was asked says more than "nobody else". */
async function nextSeat(search: Search, tried: ReadonlySet<string>, ports: Ports, refusal: Refusal): Promise<Seat> {
  try {
    return await takeSeat(chooseFor(search, tried, ports), search, ports);
  } catch (error) {
    throw error instanceof Refusal ? refusal : error;
  }
}

/** Throws `Refusal`: NoAccount, AccountsLimited, ThingNotFound. */
export function chooseFor(search: Search, tried: ReadonlySet<string>, ports: Pick<Ports, "now" | "random">): Accounts {
  const { call, key, snapshot, session, owner, price } = search;
  const choice = chooseAccount({
    snapshot,
    platform: call.platform,
    model: call.model,
    family: price?.family,
    keyId: key.keyId,
    boundTo: key.policy.boundTo,
    tried,
    session,
    owner,
    now: ports.now(),
    random: ports.random,
  });
  if (choice.kind === "none") throw choice.refusal;
  return choice;
}
