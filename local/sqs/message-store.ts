// The messages of all queues, in SQLite: sent, hidden, received, moved to dead-letter queues, deleted.
import { randomUUID } from "node:crypto";
import type { DatabaseSync, SQLInputValue, SQLOutputValue } from "node:sqlite";
import type { MessageAttributes } from "./message-digests.ts";

export interface StoredMessage {
  readonly messageId: string;
  readonly body: string;
  readonly attributes: MessageAttributes;
  readonly senderId: string;
  readonly sentAtMilliseconds: number;
  readonly firstReceivedAtMilliseconds: number;
  /** This receive included. */
  readonly receiveCount: number;
  readonly receipt: string;
  /** The queue it was moved here from. */
  readonly sourceQueueArn: string | undefined;
}

export interface Redrive {
  readonly sourceQueueArn: string;
  readonly deadLetterQueueName: string;
  readonly maximumReceiveCount: number;
}

export interface Depths {
  readonly visible: number;
  readonly inFlight: number;
  readonly delayed: number;
}

// A message is hidden until `visible_at`: delayed if it was never received, in flight if it was.
const schema = `
  CREATE TABLE IF NOT EXISTS messages (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    queue TEXT NOT NULL,
    message_id TEXT NOT NULL UNIQUE,
    body TEXT NOT NULL,
    attributes TEXT NOT NULL,
    sender_id TEXT NOT NULL,
    sent_at REAL NOT NULL,
    visible_at REAL NOT NULL,
    receive_count INTEGER NOT NULL DEFAULT 0,
    first_received_at REAL,
    receipt TEXT,
    source_queue_arn TEXT
  ) STRICT;
  CREATE INDEX IF NOT EXISTS by_visibility ON messages (queue, visible_at);
`;

type Row = Readonly<Record<string, SQLOutputValue>>;

export class MessageStore {
  readonly #database: DatabaseSync;

  constructor(database: DatabaseSync) {
    this.#database = database;
    database.exec(schema);
  }

  /** Returns the message id. */
  send(
    queue: string,
    message: { readonly body: string; readonly attributes: MessageAttributes; readonly senderId: string },
    sentAtMilliseconds: number,
    delaySeconds: number,
  ): string {
    const messageId = randomUUID();
    this.#run(
      `INSERT INTO messages (queue, message_id, body, attributes, sender_id, sent_at, visible_at)
       VALUES (?, ?, ?, ?, ?, ?, ?)`,
      queue,
      messageId,
      message.body,
      JSON.stringify(message.attributes),
      message.senderId,
      sentAtMilliseconds,
      sentAtMilliseconds + delaySeconds * 1000,
    );
    return messageId;
  }

  /** Takes up to `most` visible messages and hides them; those received too often are moved away instead. */
  receive(
    queue: string,
    how: { readonly most: number; readonly visibilitySeconds: number; readonly redrive: Redrive | undefined },
    nowMilliseconds: number,
  ): { readonly received: StoredMessage[]; readonly moved: number } {
    return this.#atomically(() => {
      const moved = how.redrive ? this.#move(queue, how.redrive, nowMilliseconds) : 0;
      const rows = this.#all(
        "SELECT * FROM messages WHERE queue = ? AND visible_at <= ? ORDER BY sequence LIMIT ?",
        queue,
        nowMilliseconds,
        how.most,
      );
      const visibleAt = nowMilliseconds + how.visibilitySeconds * 1000;
      const received = rows.map((row) => {
        const receipt = randomUUID();
        const message = messageOf(row, receipt, nowMilliseconds);
        this.#run(
          `UPDATE messages SET visible_at = ?, receive_count = ?, first_received_at = ?, receipt = ? WHERE sequence = ?`,
          visibleAt,
          message.receiveCount,
          message.firstReceivedAtMilliseconds,
          receipt,
          row.sequence ?? null,
        );
        return message;
      });
      return { received, moved };
    });
  }

  /** A receipt that a later receive has replaced deletes nothing, as in AWS. */
  delete(queue: string, messageId: string, receipt: string): void {
    this.#run("DELETE FROM messages WHERE queue = ? AND message_id = ? AND receipt = ?", queue, messageId, receipt);
  }

  /** False if the message is not in flight under this receipt. */
  hide(
    queue: string,
    messageId: string,
    receipt: string,
    visibleAtMilliseconds: number,
    nowMilliseconds: number,
  ): boolean {
    const changes = this.#run(
      "UPDATE messages SET visible_at = ? WHERE queue = ? AND message_id = ? AND receipt = ? AND visible_at > ?",
      visibleAtMilliseconds,
      queue,
      messageId,
      receipt,
      nowMilliseconds,
    );
    return changes > 0;
  }

  /** Undoes a receive that still holds. */
  giveBack(queue: string, messageId: string, receipt: string, nowMilliseconds: number): void {
    this.#run(
      `UPDATE messages SET visible_at = ?, receive_count = receive_count - 1, receipt = NULL
       WHERE queue = ? AND message_id = ? AND receipt = ?`,
      nowMilliseconds,
      queue,
      messageId,
      receipt,
    );
  }

  /** How many visible messages lie in the queue, and the last one's place: what a move is about. */
  visibleNow(queue: string, nowMilliseconds: number): { readonly count: number; readonly lastSequence: number } {
    const [row] = this.#all(
      "SELECT COUNT(*) AS count, MAX(sequence) AS last FROM messages WHERE queue = ? AND visible_at <= ?",
      queue,
      nowMilliseconds,
    );
    return { count: Number(row?.count), lastSequence: Number(row?.last ?? 0) };
  }

  /** The queues from which visible messages of this dead-letter queue came; undefined stands for "sent here directly". */
  sourcesOf(queue: string, nowMilliseconds: number): (string | undefined)[] {
    const rows = this.#all(
      "SELECT DISTINCT source_queue_arn AS arn FROM messages WHERE queue = ? AND visible_at <= ?",
      queue,
      nowMilliseconds,
    );
    return rows.map((row) => (row.arn === null ? undefined : String(row.arn)));
  }

  /**
   * Moves up to `most` visible messages that lie at `lastSequence` or before it, oldest first. Each becomes a new message
   * with a new id and age, as SQS does. `destinationOf` gets the ARN a message came from, and returns a queue's name or
   * undefined, which ends the move there.
   */
  moveVisible(
    queue: string,
    how: {
      readonly lastSequence: number;
      readonly most: number;
      readonly destinationOf: (sourceQueueArn: string | undefined) => string | undefined;
    },
    nowMilliseconds: number,
  ): { readonly moved: number; readonly destinations: readonly string[]; readonly stuck: boolean } {
    return this.#atomically(() => {
      const rows = this.#all(
        "SELECT * FROM messages WHERE queue = ? AND visible_at <= ? AND sequence <= ? ORDER BY sequence LIMIT ?",
        queue,
        nowMilliseconds,
        how.lastSequence,
        how.most,
      );
      const destinations = new Set<string>();
      for (const [index, row] of rows.entries()) {
        const destination = how.destinationOf(row.source_queue_arn === null ? undefined : String(row.source_queue_arn));
        if (destination === undefined) return { moved: index, destinations: [...destinations], stuck: true };
        destinations.add(destination);
        this.#run("DELETE FROM messages WHERE sequence = ?", row.sequence ?? null);
        this.#run(
          `INSERT INTO messages (queue, message_id, body, attributes, sender_id, sent_at, visible_at)
           VALUES (?, ?, ?, ?, ?, ?, ?)`,
          destination,
          randomUUID(),
          String(row.body),
          String(row.attributes),
          String(row.sender_id),
          nowMilliseconds,
          nowMilliseconds,
        );
      }
      return { moved: rows.length, destinations: [...destinations], stuck: false };
    });
  }

  /** When the next hidden message appears. */
  nextVisibleAt(queue: string): number | undefined {
    const [row] = this.#all("SELECT MIN(visible_at) AS at FROM messages WHERE queue = ?", queue);
    return typeof row?.at === "number" ? row.at : undefined;
  }

  dropSentBefore(queue: string, milliseconds: number): void {
    this.#run("DELETE FROM messages WHERE queue = ? AND sent_at < ?", queue, milliseconds);
  }

  purge(queue: string): void {
    this.#run("DELETE FROM messages WHERE queue = ?", queue);
  }

  depths(queue: string, nowMilliseconds: number): Depths {
    const [row] = this.#all(
      `SELECT COUNT(*) FILTER (WHERE visible_at <= ?2) AS visible,
              COUNT(*) FILTER (WHERE visible_at > ?2 AND receive_count > 0) AS in_flight,
              COUNT(*) FILTER (WHERE visible_at > ?2 AND receive_count = 0) AS delayed
       FROM messages WHERE queue = ?1`,
      queue,
      nowMilliseconds,
    );
    return { visible: Number(row?.visible), inFlight: Number(row?.in_flight), delayed: Number(row?.delayed) };
  }

  /** A moved message keeps its id and the time it was sent; its retention goes on counting. */
  #move(queue: string, redrive: Redrive, nowMilliseconds: number): number {
    return this.#run(
      `UPDATE messages SET queue = ?, source_queue_arn = ?, receive_count = 0, first_received_at = NULL, receipt = NULL
       WHERE queue = ? AND visible_at <= ? AND receive_count >= ?`,
      redrive.deadLetterQueueName,
      redrive.sourceQueueArn,
      queue,
      nowMilliseconds,
      redrive.maximumReceiveCount,
    );
  }

  #atomically<Result>(work: () => Result): Result {
    this.#database.exec("BEGIN IMMEDIATE");
    try {
      const result = work();
      this.#database.exec("COMMIT");
      return result;
    } catch (error) {
      this.#database.exec("ROLLBACK");
      throw error;
    }
  }

  #run(sql: string, ...values: SQLInputValue[]): number {
    return Number(this.#database.prepare(sql).run(...values).changes);
  }

  #all(sql: string, ...values: SQLInputValue[]): Row[] {
    return this.#database.prepare(sql).all(...values);
  }
}

function messageOf(row: Row, receipt: string, nowMilliseconds: number): StoredMessage {
  return {
    messageId: String(row.message_id),
    body: String(row.body),
    attributes: JSON.parse(String(row.attributes)) as MessageAttributes,
    senderId: String(row.sender_id),
    sentAtMilliseconds: Number(row.sent_at),
    firstReceivedAtMilliseconds: Number(row.first_received_at ?? nowMilliseconds),
    receiveCount: Number(row.receive_count) + 1,
    receipt,
    sourceQueueArn: row.source_queue_arn === null ? undefined : String(row.source_queue_arn),
  };
}
