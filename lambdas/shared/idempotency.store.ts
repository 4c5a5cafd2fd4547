// The Idempotency table: the same key with the same request is answered with the first answer, for a day.
import { type DynamoDBDocumentClient, GetCommand, PutCommand, UpdateCommand } from "@aws-sdk/lib-dynamodb";
import { CausewayError, isErrorNamed } from "./errors.ts";

/** The part of an answer that is given again. */
export interface KeptAnswer {
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface IdempotentRequest {
  /** Hash of caller, route and key. */
  readonly requestKey: string;
  /** Hash of what was asked. */
  readonly requestHash: string;
  /** Who works on it. */
  readonly requestId: string;
  /** What the work is called, if it is new. */
  readonly workId: string;
}

export interface Begun {
  /** What the work has been called since it was begun first. */
  readonly workId: string;
  /** Absent: the lease is taken, and the work is to be done. */
  readonly answer?: KeptAnswer;
}

interface KeptRequest {
  readonly requestHash: string;
  readonly workId: string;
  readonly state: "working" | "done";
  readonly owner: string;
  readonly leaseUntil: number;
  readonly answer?: KeptAnswer;
  /** Seconds since 1970; DynamoDB drops the item some time later, so it is compared as well. */
  readonly expiresAt: number;
}

const keptMilliseconds = 24 * 60 * 60 * 1000;

/** Longer than a function that answers HTTP may run (29 s): a lease that is over belongs to one that died. */
const leaseMilliseconds = 60_000;

export class IdempotencyStore {
  readonly #client: DynamoDBDocumentClient;
  readonly #table: string;

  constructor(client: DynamoDBDocumentClient, table: string) {
    this.#client = client;
    this.#table = table;
  }

  /**
   * Takes the lease, or finds the first answer. Throws `IdempotencyKeyReused` where the key came with another request,
   * `StillWorking` while another holds the lease. A lease that is over is taken over with the name of its work.
   */
  async begin(request: IdempotentRequest, nowMilliseconds: number): Promise<Begun> {
    const { requestKey, requestHash, requestId, workId } = request;
    const leaseUntil = nowMilliseconds + leaseMilliseconds;
    const kept: KeptRequest = {
      requestHash,
      workId,
      state: "working",
      owner: requestId,
      leaseUntil,
      expiresAt: Math.ceil((nowMilliseconds + keptMilliseconds) / 1000),
    };
    const isNew = await this.#conditionally(() =>
      this.#client.send(
        new PutCommand({
          TableName: this.#table,
          Item: { requestKey, ...kept },
          ConditionExpression: "attribute_not_exists(#requestKey) OR #expiresAt < :nowSeconds",
          ExpressionAttributeNames: { "#requestKey": "requestKey", "#expiresAt": "expiresAt" },
          ExpressionAttributeValues: { ":nowSeconds": Math.floor(nowMilliseconds / 1000) },
        }),
      ),
    );
    if (isNew) return { workId };
    const present = await this.#present(requestKey);
    if (present !== undefined && present.requestHash !== requestHash) {
      throw new CausewayError(
        "IdempotencyKeyReused",
        "This Idempotency-Key came with another request before. Give each request a key of its own.",
      );
    }
    if (present?.answer !== undefined) return { workId: present.workId, answer: present.answer };
    // The SDK tried twice, and the answer to the first try was lost: the lease is ours.
    if (present?.owner === requestId) return { workId: present.workId };
    if (present !== undefined && present.leaseUntil < nowMilliseconds) {
      if (await this.#takeOver(request, present, leaseUntil)) return { workId: present.workId };
    }
    throw new CausewayError("StillWorking", "The first request with this Idempotency-Key is still being worked on.");
  }

  /** False where somebody else was quicker. */
  async #takeOver(
    { requestKey, requestId }: IdempotentRequest,
    seen: KeptRequest,
    leaseUntil: number,
  ): Promise<boolean> {
    return this.#conditionally(() =>
      this.#client.send(
        new UpdateCommand({
          TableName: this.#table,
          Key: { requestKey },
          UpdateExpression: "SET #owner = :owner, #leaseUntil = :leaseUntil",
          ConditionExpression: "#state = :working AND #owner = :seenOwner AND #leaseUntil = :seenLease",
          ExpressionAttributeNames: { "#owner": "owner", "#leaseUntil": "leaseUntil", "#state": "state" },
          ExpressionAttributeValues: {
            ":owner": requestId,
            ":leaseUntil": leaseUntil,
            ":working": "working",
            ":seenOwner": seen.owner,
            ":seenLease": seen.leaseUntil,
          },
        }),
      ),
    );
  }

  /** Keeps the answer for whoever asks again. Does nothing where the lease was lost: then another's answer counts. */
  async complete(request: IdempotentRequest, answer: KeptAnswer): Promise<void> {
    await this.#update(request, "SET #state = :state, #answer = :value", "answer", answer, "done");
  }

  /** After a failure: the same request may be tried again at once. */
  async release(request: IdempotentRequest): Promise<void> {
    await this.#update(request, "SET #state = :state, #leaseUntil = :value", "leaseUntil", 0, "working");
  }

  async #present(requestKey: string): Promise<KeptRequest | undefined> {
    const answer = await this.#client.send(
      new GetCommand({ TableName: this.#table, Key: { requestKey }, ConsistentRead: true }),
    );
    return answer.Item as KeptRequest | undefined;
  }

  async #update(
    { requestKey, requestId }: IdempotentRequest,
    expression: string,
    attribute: string,
    value: unknown,
    state: KeptRequest["state"],
  ): Promise<void> {
    await this.#conditionally(() =>
      this.#client.send(
        new UpdateCommand({
          TableName: this.#table,
          Key: { requestKey },
          UpdateExpression: expression,
          ConditionExpression: "#owner = :owner",
          ExpressionAttributeNames: { "#state": "state", "#owner": "owner", [`#${attribute}`]: attribute },
          ExpressionAttributeValues: { ":state": state, ":owner": requestId, ":value": value },
        }),
      ),
    );
  }

  async #conditionally(write: () => Promise<unknown>): Promise<boolean> {
    try {
      await write();
      return true;
    } catch (error) {
      if (isErrorNamed(error, "ConditionalCheckFailedException")) return false;
      throw error;
    }
  }
}
