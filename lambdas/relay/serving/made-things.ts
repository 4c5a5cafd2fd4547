// Made things: ids that an answer made are bound to its account before the client can name them in its next request.
import type { AnswerReader } from "../protocols/protocol.ts";
import type { Bindings } from "./ports.ts";

/** For one request: each id is bound once, however often it is told; one that could not be bound is tried again. */
export function bindingOnce(bindings: Bindings): Bindings {
  const bound = new Map<string, Promise<void>>();
  return {
    session: (...of) => bindings.session(...of),
    bindSession: (...of) => bindings.bindSession(...of),
    owners: (...of) => bindings.owners(...of),
    async bindThings(keyId, ids, accountId, now) {
      const fresh = ids.filter((id) => !bound.has(id));
      if (fresh.length > 0) {
        const work = bindings.bindThings(keyId, fresh, accountId, now);
        for (const id of fresh) bound.set(id, work);
        work.catch(() => {
          for (const id of fresh) bound.delete(id);
        });
      }
      await Promise.all(ids.map((id) => bound.get(id)));
    },
  };
}

/** Follows what one answer makes. `bind` must not reject. */
export class MadeThings {
  readonly #bind: (ids: readonly string[]) => Promise<void>;
  #told = 0;
  #binding: Promise<unknown> | undefined;

  constructor(bind: (ids: readonly string[]) => Promise<void>) {
    this.#bind = bind;
  }

  /**
   * To be called before bytes go out. What is to be waited for: only where the answer is at its end, for from then on the
   * client may come back. Most ids are told at its beginning, so that there is mostly nothing left to wait for.
   */
  before({ madeIds, isComplete }: Pick<AnswerReader, "madeIds" | "isComplete">): Promise<unknown> | undefined {
    if (madeIds.length > this.#told) {
      this.#told = madeIds.length;
      this.#binding = Promise.all([this.#binding, this.#bind([...madeIds])]);
    }
    return isComplete ? this.#binding : undefined;
  }
}
