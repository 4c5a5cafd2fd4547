// The Exports table: one item per snapshot. What is not begun stays `waiting` in it, and the next run takes it up.
import {
  BatchGetCommand,
  type DynamoDBDocumentClient,
  GetCommand,
  QueryCommand,
  UpdateCommand,
} from "@aws-sdk/lib-dynamodb";
import { CausewayError, isErrorNamed } from "../shared/errors.ts";
import { pause } from "../shared/retry.ts";
import type { Claim } from "./copy.ts";
import type { ExportFailure, ExportItem, ExportResult, ExportState } from "./exports/export-item.ts";
import type { ExportableSnapshot } from "./exports/snapshot.ts";

/** BatchGetItem takes this many keys. */
const keysPerBatchGet = 100;
const mostBatchGetRounds = 10;
/** Doubled each time. */
const firstPauseMilliseconds = 50;
const byChange = "byChange";
const listing = "export";
/** Pages (of 1 MB each) that one call reads at most while it looks for items of certain states. */
const mostPages = 50;
const mostOpenItems = 5_000;

/** DynamoDB's own position in the list: the key of the last item read. */
export interface ExportListCursor {
  readonly exportId: string;
  readonly listing: string;
  readonly changedAt: string;
}

export interface ExportPage {
  readonly items: readonly ExportItem[];
  /** Null at the end. */
  readonly next: ExportListCursor | null;
}

interface Change {
  readonly set: Readonly<Record<string, unknown>>;
  /** Kept if there is a value already. */
  readonly setOnce?: Readonly<Record<string, unknown>>;
  readonly remove?: readonly string[];
  readonly condition: string;
  readonly values?: Readonly<Record<string, unknown>>;
}

const isHolder = "#claim.#executionArn = :me";
/** Also for a write whose answer was lost, which the SDK sends again: it finds its own work done. */
const isHolderOrEndedIt = `${isHolder} OR #endedBy = :me`;

export class ExportsStore {
  readonly #client: DynamoDBDocumentClient;
  readonly #table: string;

  constructor(client: DynamoDBDocumentClient, table: string) {
    this.#client = client;
    this.#table = table;
  }

  async read(exportId: string): Promise<ExportItem | undefined> {
    const answer = await this.#client.send(
      new GetCommand({ TableName: this.#table, Key: { exportId }, ConsistentRead: true }),
    );
    return answer.Item as ExportItem | undefined;
  }

  /** By export id; ids without an item are absent. */
  async readMany(exportIds: readonly string[]): Promise<Map<string, ExportItem>> {
    const items = new Map<string, ExportItem>();
    const ids = [...new Set(exportIds)];
    for (let from = 0; from < ids.length; from += keysPerBatchGet) {
      let keys = ids.slice(from, from + keysPerBatchGet).map((exportId) => ({ exportId }));
      for (let round = 0; keys.length > 0; round += 1) {
        if (round >= mostBatchGetRounds) {
          throw new CausewayError("AwsUnavailable", "DynamoDB kept back keys of a batch.");
        }
        if (round > 0) await pause(firstPauseMilliseconds * 2 ** round);
        const answer = await this.#client.send(
          new BatchGetCommand({ RequestItems: { [this.#table]: { Keys: keys, ConsistentRead: true } } }),
        );
        for (const item of (answer.Responses?.[this.#table] ?? []) as ExportItem[]) items.set(item.exportId, item);
        keys = (answer.UnprocessedKeys?.[this.#table]?.Keys ?? []) as { exportId: string }[];
      }
    }
    return items;
  }

  /** The last changed first. A page may be short, even empty, before the end: `next` alone says that there is more. */
  async list(options: {
    readonly states?: readonly ExportState[];
    readonly limit: number;
    readonly after?: ExportListCursor | undefined;
    /** RFC 3339: only what changed since then. */
    readonly since?: string;
  }): Promise<ExportPage> {
    const { states = [], limit, after, since } = options;
    const items: ExportItem[] = [];
    let from: Record<string, unknown> | undefined = after === undefined ? undefined : { ...after };
    for (let page = 0; page < mostPages; page += 1) {
      const answer = await this.#client.send(
        new QueryCommand({
          TableName: this.#table,
          IndexName: byChange,
          KeyConditionExpression: since === undefined ? "#listing = :listing" : "#listing = :listing AND #at >= :since",
          ...(states.length > 0 && {
            FilterExpression: `#state IN (${states.map((_state, index) => `:state${index}`).join(", ")})`,
          }),
          ExpressionAttributeNames: {
            "#listing": "listing",
            ...(since !== undefined && { "#at": "changedAt" }),
            ...(states.length > 0 && { "#state": "state" }),
          },
          ExpressionAttributeValues: {
            ":listing": listing,
            ...(since !== undefined && { ":since": since }),
            ...Object.fromEntries(states.map((state, index) => [`:state${index}`, state])),
          },
          ScanIndexForward: false,
          Limit: limit - items.length,
          ExclusiveStartKey: from,
        }),
      );
      items.push(...((answer.Items ?? []) as ExportItem[]));
      from = answer.LastEvaluatedKey;
      if (from === undefined || items.length >= limit) break;
    }
    return { items, next: (from as unknown as ExportListCursor | undefined) ?? null };
  }

  /** Items that wait or run, changed since then (RFC 3339). Throws `TooManyBackups` above 5,000. */
  async openItems(since: string): Promise<ExportItem[]> {
    const items: ExportItem[] = [];
    let after: ExportListCursor | undefined;
    do {
      const page = await this.list({ states: ["waiting", "running"], limit: 1000, after, since });
      items.push(...page.items);
      after = page.next ?? undefined;
      if (items.length > mostOpenItems) {
        throw new CausewayError("TooManyBackups", `More than ${mostOpenItems} exports are waiting or running.`);
      }
    } while (after !== undefined);
    return items;
  }

  /** Sets it waiting, unless somebody works on it; false if so. */
  queue(
    queued: { exportId: string; snapshot: ExportableSnapshot; requested: boolean; force: boolean },
    at: string,
  ): Promise<boolean> {
    return this.#change(queued.exportId, {
      set: {
        state: "waiting" satisfies ExportState,
        snapshot: queued.snapshot,
        force: queued.force,
        changedAt: at,
        listing,
        ...(queued.requested && { requested: true }),
      },
      setOnce: { queuedAt: at },
      remove: ["endedBy"],
      condition: "attribute_not_exists(#claim)",
    });
  }

  /** Takes it off the queue with the reason, unless somebody works on it or it was exported before. */
  refuse(exportId: string, snapshot: ExportableSnapshot, reason: string, at: string): Promise<boolean> {
    return this.#change(exportId, {
      set: {
        state: "refused" satisfies ExportState,
        snapshot,
        lastError: { executionArn: "", error: "SnapshotNotExportable", cause: reason, at },
        changedAt: at,
        listing,
      },
      remove: ["queuedAt", "requested", "force"],
      condition: "attribute_not_exists(#claim) AND attribute_not_exists(#result)",
    });
  }

  /**
   * Takes the claim, or renews one's own. `seen` is the claim that was found and judged to be dead; undefined if none was.
   * False when somebody else was quicker.
   */
  claim(
    line: { exportId: string; snapshot: ExportableSnapshot },
    state: ExportState,
    claim: Claim,
    seen: Claim | undefined,
    at: string,
  ): Promise<boolean> {
    return this.#change(line.exportId, {
      set: { claim, state, snapshot: line.snapshot, changedAt: at, listing },
      remove: ["endedBy"],
      condition: `${seen === undefined ? "attribute_not_exists(#claim)" : "#claim = :seen"} OR ${isHolder}`,
      values: { ":me": claim.executionArn, ...(seen !== undefined && { ":seen": seen }) },
    });
  }

  /** Throws `ClaimLost` when another execution holds the export now. */
  renewClaim(exportId: string, claim: Claim): Promise<void> {
    return this.#asHolder(exportId, claim.executionArn, { set: { claim } });
  }

  /** Keeps the attempt's number before its task is asked for: who comes again finds the same one. */
  reserveAttempt(exportId: string, executionArn: string, attempt: number): Promise<void> {
    return this.#asHolder(exportId, executionArn, { set: { attempt, attemptBy: executionArn } });
  }

  /** Its task is there: started now, or found. */
  noteRunning(
    exportId: string,
    executionArn: string,
    task: { readonly attempt: number; readonly taskId: string; readonly startedAt: string },
    at: string,
  ): Promise<void> {
    return this.#asHolder(exportId, executionArn, {
      set: { ...task, state: "running" satisfies ExportState, changedAt: at },
      remove: ["lastError"],
    });
  }

  /** Done: the result stays, the claim goes. */
  finish(exportId: string, executionArn: string, state: "complete" | "partial", result: ExportResult): Promise<void> {
    return this.#asHolder(exportId, executionArn, {
      set: { state, result, endedBy: executionArn, changedAt: result.completedAt },
      remove: ["claim", "lastError", "queuedAt", "requested", "force"],
    });
  }

  /** Failed or cancelled: the reason stays, the claim goes. An earlier result stays in any case. */
  end(exportId: string, state: "failed" | "cancelled", failure: ExportFailure): Promise<void> {
    return this.#asHolder(exportId, failure.executionArn, {
      set: { state, lastError: failure, endedBy: failure.executionArn, changedAt: failure.at },
      remove: ["claim", "queuedAt", "requested", "force"],
    });
  }

  /** Back to the queue, with the reason why it was not begun. */
  leaveWaiting(exportId: string, failure: ExportFailure): Promise<void> {
    return this.#asHolder(exportId, failure.executionArn, {
      set: {
        state: "waiting" satisfies ExportState,
        lastError: failure,
        endedBy: failure.executionArn,
        changedAt: failure.at,
      },
      remove: ["claim"],
    });
  }

  /** Gives the claim back where there was nothing to do. */
  letGo(exportId: string, executionArn: string, state: ExportState): Promise<void> {
    return this.#asHolder(exportId, executionArn, { set: { state, endedBy: executionArn }, remove: ["claim"] });
  }

  async #asHolder(exportId: string, executionArn: string, change: Omit<Change, "condition" | "values">): Promise<void> {
    const condition = change.remove?.includes("claim") === true ? isHolderOrEndedIt : isHolder;
    const held = await this.#change(exportId, { ...change, condition, values: { ":me": executionArn } });
    if (!held) throw new CausewayError("ClaimLost", `Another execution holds the export ${exportId} now.`);
  }

  /** False when the condition does not hold. Attributes are written `#name` throughout. */
  async #change(exportId: string, change: Change): Promise<boolean> {
    const set = Object.keys(change.set);
    const setOnce = Object.keys(change.setOnce ?? {});
    const assignments = [
      ...set.map((name) => `#${name} = :${name}`),
      ...setOnce.map((name) => `#${name} = if_not_exists(#${name}, :${name})`),
    ];
    const remove = (change.remove ?? []).map((name) => `#${name}`);
    const update = `SET ${assignments.join(", ")}${remove.length === 0 ? "" : ` REMOVE ${remove.join(", ")}`}`;
    const names = `${update} ${change.condition}`.match(/#\w+/g) ?? [];
    const values = { ...change.set, ...change.setOnce };
    try {
      await this.#client.send(
        new UpdateCommand({
          TableName: this.#table,
          Key: { exportId },
          UpdateExpression: update,
          ConditionExpression: change.condition,
          ExpressionAttributeNames: Object.fromEntries(names.map((name) => [name, name.slice(1)])),
          ExpressionAttributeValues: {
            ...Object.fromEntries(Object.entries(values).map(([name, value]) => [`:${name}`, value])),
            ...change.values,
          },
        }),
      );
      return true;
    } catch (error) {
      if (isErrorNamed(error, "ConditionalCheckFailedException")) return false;
      throw error;
    }
  }
}
