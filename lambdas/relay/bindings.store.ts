// Bindings in the RelayAccounts table: which account a key's session is with, and in which account the things live it made.
import { createHash } from "node:crypto";
import { BatchGetCommand, type DynamoDBDocumentClient, GetCommand, PutCommand } from "@aws-sdk/lib-dynamodb";
import { CausewayError } from "../shared/errors.ts";
import { pause } from "../shared/retry.ts";

export interface SessionBinding {
  readonly accountId: string;
  /** Less than half of its time is left: bind it again. */
  readonly isOld: boolean;
}

const minuteMilliseconds = 60_000;

/** Providers keep responses and files for about as long. */
const thingDays = 30;

/** A request that names more things asks for more than BatchGetItem takes. */
const mostThings = 100;

/** Ids that one answer makes. */
const mostMade = 20;

const mostBatchRounds = 5;
const firstBatchPauseMilliseconds = 25;

/** Every name is hashed and lies in its key's own partition: no key finds another's. */
export class BindingsStore {
  readonly #client: DynamoDBDocumentClient;
  readonly #table: string;

  constructor(client: DynamoDBDocumentClient, table: string) {
    this.#client = client;
    this.#table = table;
  }

  /** One read. `name`: the client's best name of the session, as it came. */
  async session(keyId: string, name: string, now: number): Promise<SessionBinding | undefined> {
    const { Item } = await this.#client.send(
      new GetCommand({ TableName: this.#table, Key: sessionKey(keyId, name), ConsistentRead: true }),
    );
    // DynamoDB drops what has expired some time later.
    if (Item === undefined || Item.until <= now) return undefined;
    return { accountId: Item.accountId, isOld: Item.until - now < (Item.minutes * minuteMilliseconds) / 2 };
  }

  /** Binds or renews; of two at once the last one counts. */
  async bindSession(keyId: string, name: string, accountId: string, minutes: number, now: number): Promise<void> {
    const until = now + minutes * minuteMilliseconds;
    const Item = { ...sessionKey(keyId, name), accountId, minutes, until, expiresAt: Math.ceil(until / 1000) };
    await this.#client.send(new PutCommand({ TableName: this.#table, Item }));
  }

  /** The account of each of these ids that this key has made; one read. Throws `InputInvalid` for more than a hundred. */
  async owners(keyId: string, ids: readonly string[], now: number): Promise<ReadonlyMap<string, string>> {
    const idOfItem = new Map(ids.map((id) => [thingKey(keyId, id).item, id]));
    if (idOfItem.size > mostThings) {
      throw new CausewayError("InputInvalid", `A request may name at most ${mostThings} things of earlier ones.`);
    }
    const owners = new Map<string, string>();
    let keys = [...new Set(ids)].map((id) => thingKey(keyId, id));
    for (let round = 0; keys.length > 0; round += 1) {
      if (round >= mostBatchRounds) throw new CausewayError("AwsUnavailable", "DynamoDB kept back keys of a batch.");
      if (round > 0) await pause(firstBatchPauseMilliseconds * 2 ** round);
      const answer = await this.#client.send(
        new BatchGetCommand({ RequestItems: { [this.#table]: { Keys: keys, ConsistentRead: true } } }),
      );
      for (const { item, accountId, until } of answer.Responses?.[this.#table] ?? []) {
        const id = idOfItem.get(item);
        if (id !== undefined && until > now) owners.set(id, accountId);
      }
      keys = (answer.UnprocessedKeys?.[this.#table]?.Keys ?? []) as typeof keys;
    }
    return owners;
  }

  /** Ids that an answer made, at most twenty; more are not kept. */
  async bindThings(keyId: string, ids: readonly string[], accountId: string, now: number): Promise<void> {
    const until = now + thingDays * 24 * 60 * minuteMilliseconds;
    const made = [...new Set(ids)].slice(0, mostMade);
    await Promise.all(
      made.map((id) => {
        const Item = { ...thingKey(keyId, id), accountId, until, expiresAt: Math.ceil(until / 1000) };
        return this.#client.send(new PutCommand({ TableName: this.#table, Item }));
      }),
    );
  }
}

function sessionKey(keyId: string, name: string): { partition: string; item: string } {
  return { partition: `sticky#${keyId}`, item: sha256(name) };
}

function thingKey(keyId: string, id: string): { partition: string; item: string } {
  return { partition: `bound#${keyId}`, item: sha256(id) };
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
