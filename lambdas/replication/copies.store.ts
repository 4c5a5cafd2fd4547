// The Copies table: one item per copy (`aliyun-rds:<instance>:<backup>`), one per month of counted egress (`egress#2026-11`).
import {
  BatchGetCommand,
  type DynamoDBDocumentClient,
  GetCommand,
  QueryCommand,
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

/** The partition of the index `byChange`. */
const listing = "copy";
/** What puts an item where it belongs in that list; `#changed()` has the values. */
const listed = "#listing = :listing, #changedAt = :changedAt";
/** Of a filtered list: so many items are looked at in one query, and so many queries are made for one page. */
const itemsLookedAtPerQuery = 200;
const mostQueriesPerList = 10;
/** A list says what became of each copy: neither its plan nor its link, which is a secret. */
const listedAttributes = ["copyId", "backup", "restorability", "state", "key", "changedAt", "lastError", "result"];

type Values = Record<string, unknown>;

/** Where a page of the list ended. */
export interface CopyPosition {
  readonly copyId: string;
  readonly changedAt: string;
}

export interface CopiesQuestion {
  readonly state?: CopyState | undefined;
  readonly instanceId?: string | undefined;
  readonly engine?: string | undefined;
  readonly most: number;
  readonly after?: CopyPosition | undefined;
}

export type ListedCopy = Pick<
  Copy,
  "copyId" | "backup" | "restorability" | "state" | "key" | "changedAt" | "lastError" | "result"
>;

export interface CopiesPage {
  readonly copies: readonly ListedCopy[];
  readonly position: CopyPosition | undefined;
}

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
  readonly #now: () => number;

  constructor(client: DynamoDBDocumentClient, table: string, now: () => number = Date.now) {
    this.#client = client;
    this.#table = table;
    this.#now = now;
  }

  async read(copyId: string): Promise<Copy | undefined> {
    const answer = await this.#client.send(
      new GetCommand({ TableName: this.#table, Key: { copyId }, ConsistentRead: true }),
    );
    return answer.Item as Copy | undefined;
  }

  /**
   * The last changed first; the index lags a moment behind. `after`: the position that the page before ended at. A page may
   * be shorter than `most`, even empty, where the filters left most out: the list ends where there is no position.
   */
  async list(question: CopiesQuestion): Promise<CopiesPage> {
    const copies: ListedCopy[] = [];
    let { after } = question;
    for (let read = 0; read < mostQueriesPerList; read += 1) {
      const answer = await this.#client.send(new QueryCommand(this.#listQuery(question, after)));
      const found = (answer.Items ?? []) as (ListedCopy & CopyPosition)[];
      copies.push(...found.slice(0, question.most - copies.length));
      const isCut = found.length > 0 && copies.at(-1) !== found.at(-1);
      const last = (isCut ? copies.at(-1) : answer.LastEvaluatedKey) as CopyPosition | undefined;
      after = last && { copyId: last.copyId, changedAt: last.changedAt };
      if (after === undefined || copies.length === question.most) break;
    }
    return { copies, position: after };
  }

  #listQuery({ state, instanceId, engine, most }: CopiesQuestion, after: CopyPosition | undefined) {
    const filters = [
      ...(state === undefined ? [] : ["#state = :state"]),
      ...(instanceId === undefined ? [] : ["#backup.#instanceId = :instanceId"]),
      ...(engine === undefined ? [] : ["#backup.#engine = :engine"]),
    ];
    const projection = listedAttributes.map((name) => `#${name}`).join(", ");
    const names = `#listing ${projection} ${filters.join(" ")}`.match(/#\w+/g) ?? [];
    return {
      TableName: this.#table,
      IndexName: "byChange",
      KeyConditionExpression: "#listing = :listing",
      ProjectionExpression: projection,
      ...(filters.length > 0 && { FilterExpression: filters.join(" AND ") }),
      ExpressionAttributeNames: Object.fromEntries(names.map((name) => [name, name.slice(1)])),
      ExpressionAttributeValues: {
        ":listing": listing,
        ...(state !== undefined && { ":state": state }),
        ...(instanceId !== undefined && { ":instanceId": instanceId }),
        ...(engine !== undefined && { ":engine": engine }),
      },
      ScanIndexForward: false,
      // With a filter, more is looked at than is given out.
      Limit: filters.length > 0 ? itemsLookedAtPerQuery : most,
      ...(after !== undefined && { ExclusiveStartKey: { ...after, listing } }),
    };
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
        `#state = if_not_exists(#state, :copying), ${listed} REMOVE #lastError`,
      `${mayTake} OR #claim.#executionArn = :me`,
      {
        ":claim": claim,
        ":key": key,
        ":me": claim.executionArn,
        ":backup": backup,
        ":restorability": backup.restorability,
        ":copying": "copying" satisfies CopyState,
        ...this.#changed(),
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
            `SET #plan = :plan, #link = :link, #state = :copying, ${listed} REMOVE #completed`,
            isHolder,
            { ":plan": plan, ":link": link, ":me": executionArn, ":copying": "copying", ...this.#changed() },
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

  /** What was counted against a month (`2026-11`) so far, in bytes. */
  async egressBytes(month: string): Promise<number> {
    const answer = await this.#client.send(
      new GetCommand({ TableName: this.#table, Key: { copyId: `egress#${month}` }, ConsistentRead: true }),
    );
    const counted: unknown = answer.Item?.egressBytes;
    return typeof counted === "number" ? counted : 0;
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
      `SET #state = :state, #result = :result, ${listed} REMOVE #claim, #plan, #link, #lastError, #completed`,
      {
        ":state": state,
        ":result": result,
        ...this.#changed(),
      },
    );
  }

  /**
   * The copy failed: the reason stays, claim and link go. The plan goes with them unless `keepPlan`: the object is
   * there already and only its receipt is missing. An earlier good result stays in any case.
   */
  async fail(copyId: string, failure: CopyFailure, state: CopyState, keepPlan: boolean): Promise<void> {
    const dropped = keepPlan ? "#claim, #link" : "#claim, #link, #completed, #plan";
    const update = `SET #state = :state, #lastError = :failure, ${listed} REMOVE ${dropped}`;
    await this.#asHolder(copyId, failure.executionArn, update, {
      ":state": state,
      ":failure": failure,
      ...this.#changed(),
    });
  }

  #changed(): Values {
    return { ":listing": listing, ":changedAt": new Date(this.#now()).toISOString() };
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
