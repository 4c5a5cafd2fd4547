// Conditions: writes what answers said of accounts, so that an old answer never undoes what is newer, and keeps the history.
import type { AccountChange } from "../providers/provider.ts";
import type { Account, AccountCondition } from "./account.ts";
import type { Fleet } from "./fleet.ts";
import { afterFailure, afterList, afterSuccess, isHearsay } from "./next-condition.ts";

/** One entry of an account's error history: answers of the same kind within a minute are one. */
export interface ErrorNote {
  readonly accountId: string;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly state: AccountChange["state"];
  readonly family: string | undefined;
  /** The end that the answer stated, milliseconds since 1970. */
  readonly until: number | undefined;
  readonly said: string;
}

export interface ConditionStore {
  /** The account as it is now; undefined: there is none any more. A consistent read. */
  account(accountId: string): Promise<Account | undefined>;
  /**
   * Puts `next` in the place of `seen`, both of the account (family undefined) or of a family of models. False: something
   * else is there now, or the account is gone.
   */
  replaceCondition(
    accountId: string,
    family: string | undefined,
    seen: AccountCondition | undefined,
    next: AccountCondition,
  ): Promise<boolean>;
}

export interface ConditionPorts {
  readonly store: ConditionStore;
  readonly history: { noteError(note: ErrorNote): Promise<void> };
  /** Where an environment chooses accounts: what it learns counts there at once. */
  readonly fleet: Pick<Fleet, "learn"> | undefined;
  readonly now: () => number;
  /** A state began or ended (category scheduler). */
  readonly onChange: (accountId: string, family: string | undefined, condition: AccountCondition) => void;
  readonly onFailure: (error: unknown) => void;
}

/** Others write, too; each time the next state is found anew from theirs. */
const mostTurns = 4;

/** No request fails or waits for long because of what is noted here: errors go to `onFailure`. */
export class AccountConditions {
  readonly #ports: ConditionPorts;

  constructor(ports: ConditionPorts) {
    this.#ports = ports;
  }

  /**
   * `sentAt`: when the request went upstream, milliseconds since 1970. What is known since then counts more. `accuser`: the
   * key whose request it was. False: a doubtful failure that the same key told of before, which says nothing of the account.
   */
  async changed(account: Account, change: AccountChange, sentAt: number, accuser?: string): Promise<boolean> {
    const { history, now, onFailure } = this.#ports;
    const { accountId } = account;
    const { state, family, until, said } = change;
    const note = { accountId, at: now(), state, family, until, said };
    let isNews = true;
    const nextOf = (present: AccountCondition | undefined) => {
      isNews = !isHearsay(present, change, accuser);
      return afterFailure(present, change, sentAt, now(), accuser);
    };
    await Promise.all([history.noteError(note).catch(onFailure), this.#move(account, family, nextOf).catch(onFailure)]);
    return isNews;
  }

  /** After every success; writes only where something spoke against the account. `family`: of the model asked. */
  async works(account: Account, family: string | undefined, sentAt: number): Promise<void> {
    const { now, onFailure } = this.#ports;
    const recovered = (present: AccountCondition | undefined) => present && afterSuccess(present, sentAt, now());
    const parts = [undefined, ...(family === undefined ? [] : [family])];
    const ill = parts.filter((part) => recovered(conditionOf(account, part)) !== undefined);
    await Promise.all(ill.map((part) => this.#move(account, part, recovered).catch(onFailure)));
  }

  /** After a test by schedule that asked for a list of models. */
  async answersLists(account: Account, sentAt: number): Promise<void> {
    const { now, onFailure } = this.#ports;
    const recovered = (present: AccountCondition | undefined) => present && afterList(present, sentAt, now());
    if (recovered(account.condition) === undefined) return;
    await this.#move(account, undefined, recovered).catch(onFailure);
  }

  async #move(
    account: Account,
    family: string | undefined,
    nextOf: (present: AccountCondition | undefined) => AccountCondition | undefined,
  ): Promise<void> {
    const { store, fleet, onChange } = this.#ports;
    const { accountId } = account;
    let present = conditionOf(account, family);
    for (let turn = 0; turn < mostTurns; turn += 1) {
      const next = nextOf(present);
      if (next === undefined) {
        // Another Lambda was quicker: what it wrote is news here, too.
        if (turn > 0 && present !== undefined) fleet?.learn(accountId, family, present);
        return;
      }
      if (await store.replaceCondition(accountId, family, present, next)) {
        fleet?.learn(accountId, family, next);
        if (present?.state !== next.state) onChange(accountId, family, next);
        return;
      }
      const now = await store.account(accountId);
      // What an old credential met says nothing of the new one: it would lock out an account that a person has just mended.
      if (now === undefined || now.credentialVersion !== account.credentialVersion) return;
      present = conditionOf(now, family);
    }
  }
}

function conditionOf(account: Account, family: string | undefined): AccountCondition | undefined {
  return family === undefined ? account.condition : account.familyConditions[family];
}
