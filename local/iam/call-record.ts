// What was asked of the permission check since boot: who, what, on which resource, and the outcome.

export interface RecordedCall {
  readonly principalArn: string;
  readonly action: string;
  readonly resource: string;
  readonly allowed: boolean;
}

export interface CountedCall extends RecordedCall {
  readonly count: number;
}

/** Different calls kept; the oldest are dropped. Copying writes many objects, each a resource of its own. */
const mostCallsKept = 20_000;

export class CallRecord {
  readonly #calls = new Map<string, { call: RecordedCall; count: number }>();

  add(call: RecordedCall): void {
    const key = `${call.allowed}|${call.principalArn}|${call.action}|${call.resource}`;
    const known = this.#calls.get(key);
    if (known) {
      known.count += 1;
      return;
    }
    this.#calls.set(key, { call, count: 1 });
    if (this.#calls.size > mostCallsKept) {
      const oldest = this.#calls.keys().next();
      if (!oldest.done) this.#calls.delete(oldest.value);
    }
  }

  /** In the order of their first time. */
  list(): CountedCall[] {
    return [...this.#calls.values()].map(({ call, count }) => ({ ...call, count }));
  }

  denied(): CountedCall[] {
    return this.list().filter((call) => !call.allowed);
  }
}
