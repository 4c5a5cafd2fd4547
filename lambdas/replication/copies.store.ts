// The Copies table: one item per copy (`aliyun-rds:<instance>:<backup>`), one per month of counted egress (`egress#2026-11`).
import {
  BatchGetCommand,
  type DynamoDBDocumentClient,
  GetCommand,
  TransactWriteCommand,
  UpdateCommand,
} from "@aws-sdk/lib-dynamodb";
import { CausewayError, isErrorNamed } from "../shared/errors.ts";
import { retry } from "../shared/retry.ts";
import type { ListedBackup } from "./backup.ts";
import type { Claim, CompletedUpload, Copy, CopyFailure, CopyPlan, CopyResult, CopyState, SourceLink } from "./copy.ts";

/** BatchGetItem takes this many keys. */
const keysPerBatchGet = 100;
const mostBatchGetRounds = 10;
const isHolder = "#claim.#executionArn = :me";

type Values = Record<string, unknown>;

export interface EgressBudget {
  /** `2026-11` */
  readonly month: string;
  readonly bytes: number;
  /** 0: counted, never refused. */
  readonly limitBytes: number;
}

export class CopiesStore {
  readonly #client: DynamoDBDocumentClient;
  readonly #table: string;

  constructor(client: DynamoDBDocumentClient, table: string) {
    this.#client = client;
    this.#table = table;
  }

  async read(copyId: string): Promise<Copy | undefined> {
    const answer = await this.#client.send(
      new GetCommand({ TableName: this.#table, Key: { copyId }, ConsistentRead: true }),
    );
    return answer.Item as Copy | undefined;
  }

  /** State by copy id; ids without an item are absent. */
  async statesOf(copyIds: readonly string[]): Promise<Map<string, CopyState>> {
    const states = new Map<string, CopyState>();
    for (let from = 0; from < copyIds.length; from += keysPerBatchGet) {
      let keys = copyIds.slice(from, from + keysPerBatchGet).map((copyId) => ({ copyId }));
      for (let round = 0; keys.length > 0; round += 1) {
        if (round >= mostBatchGetRounds)
          throw new CausewayError("AwsUnavailable", "DynamoDB kept back keys of a batch.");
        const answer = await this.#client.send(
          new BatchGetCommand({
            RequestItems: {
              [this.#table]: {
                Keys: keys,
                ProjectionExpression: "copyId, #state",
                ExpressionAttributeNames: { "#state": "state" },
              },
            },
          }),
        );
        for (const item of answer.Responses?.[this.#table] ?? []) states.set(item.copyId, item.state);
        keys = (answer.UnprocessedKeys?.[this.#table]?.Keys ?? []) as { copyId: string }[];
      }
    }
    return states;
  }

  /**
   * Takes the claim, or renews one's own. `seen` is the claim that was found and judged to be dead; undefined if none was.
   * False when somebody else was quicker.
   */
  async claim(backup: ListedBackup, key: string, claim: Claim, seen: Claim | undefined): Promise<boolean> {
    const mayTake = seen === undefined ? "attribute_not_exists(#claim)" : "#claim = :seen";
    return this.#conditionally(
      backup.copyId,
      "SET #claim = :claim, #backup = :backup, #key = :key, #restorability = :restorability, " +
        "#state = if_not_exists(#state, :copying) REMOVE #lastError",
      `${mayTake} OR #claim.#executionArn = :me`,
      {
        ":claim": claim,
        ":key": key,
        ":me": claim.executionArn,
        ":backup": backup,
        ":restorability": backup.restorability,
        ":copying": "copying" satisfies CopyState,
        ...(seen === undefined ? {} : { ":seen": seen }),
      },
    );
  }

  /** Throws `ClaimLost` when another execution holds the copy now. */
  async renewClaim(copyId: string, claim: Claim): Promise<void> {
    await this.#asHolder(copyId, claim.executionArn, "SET #claim = :claim", { ":claim": claim });
  }

  /**
   * Keeps the plan and its link, and counts its bytes against the month, in one transaction.
   * Throws `EgressLimitReached` (nothing kept, nothing counted) or `ClaimLost`.
   */
  async keepPlan(
    copyId: string,
    executionArn: string,
    plan: CopyPlan,
    link: SourceLink,
    egress: EgressBudget,
  ): Promise<void> {
    const room = egress.limitBytes === 0 ? Number.MAX_SAFE_INTEGER : egress.limitBytes - egress.bytes;
    // A backup larger than the whole limit never fits, whether or not the month has begun.
    const withinLimit = `${room < 0 ? "" : "attribute_not_exists(#egressBytes) OR "}#egressBytes <= :room`;
    const counted = { ":bytes": egress.bytes, ":room": room };
    const transaction = new TransactWriteCommand({
      TransactItems: [
        { Update: this.#update(`egress#${egress.month}`, "ADD #egressBytes :bytes", withinLimit, counted) },
        {
          Update: this.#update(
            copyId,
            "SET #plan = :plan, #link = :link, #state = :copying REMOVE #completed",
            isHolder,
            { ":plan": plan, ":link": link, ":me": executionArn, ":copying": "copying" },
          ),
        },
      ],
    });
    try {
      // Many plans count against the same month at once: who meets another transaction comes again in a moment.
      await retry(() => this.#client.send(transaction), {
        mostAttempts: 8,
        firstWaitMilliseconds: 50,
        longestWaitMilliseconds: 2_000,
        isRetryable: (error) => cancellationCodes(error).includes("TransactionConflict"),
      });
    } catch (error) {
      if (!isErrorNamed(error, "TransactionCanceledException")) throw error;
      const codes = cancellationCodes(error);
      if (codes[0] === "ConditionalCheckFailed") {
        throw new CausewayError(
          "EgressLimitReached",
          `The backup's ${egress.bytes} bytes would pass the limit of ${egress.limitBytes} bytes for ${egress.month}. ` +
            "Raise replication.monthlyEgressLimitBytes in the stage's settings, or wait for the next month.",
        );
      }
      if (codes[1] === "ConditionalCheckFailed") throw claimLost(copyId);
      throw new CausewayError("AwsUnavailable", "DynamoDB had another transaction on the same items.", {
        cause: error,
      });
    }
  }

  /** Keeps a fresh link unless another worker was quicker; either way the stored one is newer than `expiredVersion`. */
  async keepLink(copyId: string, executionArn: string, link: SourceLink): Promise<void> {
    await this.#conditionally(copyId, "SET #link = :link", "#claim.#executionArn = :me AND #link.#version < :version", {
      ":link": link,
      ":me": executionArn,
      ":version": link.version,
    });
  }

  /** Keeps why a worker gave up: the map above it learns only that some child failed. */
  async noteError(copyId: string, failure: CopyFailure): Promise<void> {
    await this.#conditionally(copyId, "SET #lastError = :failure", isHolder, {
      ":failure": failure,
      ":me": failure.executionArn,
    });
  }

  async keepCompleted(copyId: string, executionArn: string, completed: CompletedUpload): Promise<void> {
    await this.#asHolder(copyId, executionArn, "SET #completed = :completed", { ":completed": completed });
  }

  /** The copy is done: the result stays, the claim and the link go. */
  async finish(copyId: string, executionArn: string, state: CopyState, result: CopyResult): Promise<void> {
    await this.#asHolder(
      copyId,
      executionArn,
      "SET #state = :state, #result = :result REMOVE #claim, #plan, #link, #lastError, #completed",
      {
        ":state": state,
        ":result": result,
      },
    );
  }

  /**
   * The copy failed: the reason stays, claim and link go. The plan goes with them unless `keepPlan`: the object is
   * there already and only its receipt is missing. An earlier good result stays in any case.
   */
  async fail(copyId: string, failure: CopyFailure, state: CopyState, keepPlan: boolean): Promise<void> {
    const dropped = keepPlan ? "#claim, #link" : "#claim, #link, #completed, #plan";
    await this.#asHolder(copyId, failure.executionArn, `SET #state = :state, #lastError = :failure REMOVE ${dropped}`, {
      ":state": state,
      ":failure": failure,
    });
  }

  async #asHolder(copyId: string, executionArn: string, update: string, values: Values): Promise<void> {
    const held = await this.#conditionally(copyId, update, isHolder, { ...values, ":me": executionArn });
    if (!held) throw claimLost(copyId);
  }

  /** False when the condition does not hold. */
  async #conditionally(copyId: string, update: string, condition: string, values: Values): Promise<boolean> {
    try {
      await this.#client.send(new UpdateCommand(this.#update(copyId, update, condition, values)));
      return true;
    } catch (error) {
      if (isErrorNamed(error, "ConditionalCheckFailedException")) return false;
      throw error;
    }
  }

  /** Attributes are written `#name` throughout: many of their names are words that DynamoDB keeps for itself. */
  #update(copyId: string, update: string, condition: string, values: Values) {
    const names = `${update} ${condition}`.match(/#\w+/g) ?? [];
    return {
      TableName: this.#table,
      Key: { copyId },
      UpdateExpression: update,
      ConditionExpression: condition,
      ExpressionAttributeNames: Object.fromEntries(names.map((name) => [name, name.slice(1)])),
      ExpressionAttributeValues: values,
    };
  }
}

/** Why each item of a cancelled transaction was refused, in their order; empty for any other error. */
function cancellationCodes(error: unknown): string[] {
  const { CancellationReasons = [] } = error as { CancellationReasons?: { Code?: string }[] };
  return CancellationReasons.map(({ Code }) => Code ?? "None");
}

function claimLost(copyId: string): CausewayError {
  return new CausewayError("ClaimLost", `Another execution holds ${copyId} now.`);
}
