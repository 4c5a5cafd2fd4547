// Incidents in the Alerts table: an event is counted, its incident changed and its alert kept in one transaction.
import {
  type DynamoDBDocumentClient,
  GetCommand,
  PutCommand,
  type PutCommandInput,
  TransactWriteCommand,
} from "@aws-sdk/lib-dynamodb";
import { isErrorNamed } from "../shared/errors.ts";
import type { EventDetail } from "../shared/events.ts";
import type { Alert, Delivery } from "./alert.ts";
import { alertKey, deliveryItems, expiryOf, incidentKey, keptDays, markerKey } from "./alert-items.ts";
import type { WriteOutcome } from "./evaluate-event.ts";
import type { Incident } from "./incident.ts";
import type { IncidentKey } from "./rule.ts";

/** What an event changes under one rule. */
export interface IncidentWrite {
  /** Id of the event that is counted once; undefined for a note, which may be written twice. */
  readonly countsEvent: string | undefined;
  /** The incident as it was read. */
  readonly before: Incident | undefined;
  readonly incident: Incident;
  readonly alert: Alert | undefined;
  readonly deliveries: readonly Delivery[];
  readonly announced: EventDetail<"AlertRecovered"> | undefined;
}

type Item = Record<string, unknown>;

export class IncidentsStore {
  readonly #client: DynamoDBDocumentClient;
  readonly #table: string;

  constructor(client: DynamoDBDocumentClient, table: string) {
    this.#client = client;
    this.#table = table;
  }

  async read(key: Omit<IncidentKey, "subjectKey">): Promise<Incident | undefined> {
    return (await this.#get(incidentKey(key))) as Incident | undefined;
  }

  /** See EvaluatePorts.write. At most 3 + 2 × 20 items: below the hundred of a transaction. */
  async write(change: IncidentWrite): Promise<WriteOutcome> {
    const incident = this.#incidentPut(change);
    if (change.countsEvent === undefined) return this.#writeNote(incident);
    const marker = markerKey(change.countsEvent, change.incident);
    const puts = [
      {
        Put: {
          TableName: this.#table,
          Item: {
            ...marker,
            announced: change.announced,
            expiresAt: expiryOf(change.incident.lastAt, keptDays.marker),
          },
          ConditionExpression: "attribute_not_exists(#partition)",
          ExpressionAttributeNames: { "#partition": "partition" },
        },
      },
      { Put: incident },
      ...this.#alertItems(change).map((Item) => ({ Put: { TableName: this.#table, Item } })),
    ];
    try {
      await this.#client.send(new TransactWriteCommand({ TransactItems: puts }));
      return { outcome: "written" };
    } catch (error) {
      if (!isErrorNamed(error, "TransactionCanceledException")) throw error;
      const codes = ((error as { CancellationReasons?: { Code?: string }[] }).CancellationReasons ?? []).map(
        ({ Code }) => Code,
      );
      if (codes[0] === "ConditionalCheckFailed") return this.#countedBefore(marker);
      if (codes.some((code) => code === "ConditionalCheckFailed" || code === "TransactionConflict")) {
        return { outcome: "changed" };
      }
      throw error;
    }
  }

  async #writeNote(put: PutCommandInput): Promise<WriteOutcome> {
    try {
      await this.#client.send(new PutCommand(put));
      return { outcome: "written" };
    } catch (error) {
      if (isErrorNamed(error, "ConditionalCheckFailedException", "TransactionConflictException")) {
        return { outcome: "changed" };
      }
      throw error;
    }
  }

  async #countedBefore(marker: Item): Promise<WriteOutcome> {
    const kept = await this.#get(marker);
    return { outcome: "counted", announced: kept?.announced as EventDetail<"AlertRecovered"> | undefined };
  }

  #incidentPut({ before, incident }: IncidentWrite) {
    const condition =
      before === undefined
        ? {
            ConditionExpression: "attribute_not_exists(#partition)",
            ExpressionAttributeNames: { "#partition": "partition" },
          }
        : {
            ConditionExpression: "#version = :version",
            ExpressionAttributeNames: { "#version": "version" },
            ExpressionAttributeValues: { ":version": before.version },
          };
    const days = incident.state === "well" ? keptDays.wellIncident : keptDays.openIncident;
    const newest =
      incident.wellAt !== undefined && incident.wellAt > incident.lastAt ? incident.wellAt : incident.lastAt;
    return {
      TableName: this.#table,
      Item: { ...incidentKey(incident), ...incident, expiresAt: expiryOf(newest, days) },
      ...condition,
    };
  }

  #alertItems({ alert, deliveries }: IncidentWrite): Item[] {
    if (alert === undefined) return [];
    const kept = { ...alertKey(alert.alertId), ...alert, expiresAt: expiryOf(alert.raisedAt, keptDays.alert) };
    return [kept, ...deliveries.flatMap((delivery) => deliveryItems(delivery))];
  }

  async #get(Key: Item): Promise<Item | undefined> {
    const answer = await this.#client.send(new GetCommand({ TableName: this.#table, Key, ConsistentRead: true }));
    return answer.Item;
  }
}
