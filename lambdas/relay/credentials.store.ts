// Credentials in `RelayAccounts`, partition `cred#<accountId>`: sealed, by version, apart from what everybody else may read.
import { DeleteCommand, type DynamoDBDocumentClient, GetCommand, PutCommand } from "@aws-sdk/lib-dynamodb";
import { CausewayError, isErrorNamed } from "../shared/errors.ts";
import type { SealedCredential } from "./credentials/envelope.ts";

interface CredentialItem {
  /** Of the newest. */
  readonly version: number;
  readonly sealed: Readonly<Record<string, SealedCredential>>;
}

/**
 * The newest, and those before it: an account goes over to a new credential by one write of its own, and until all
 * environments have seen that, they ask for the one before. More than one before, for a change that broke off half-way.
 */
const mostVersionsKept = 3;

export class CredentialsStore {
  readonly #client: DynamoDBDocumentClient;
  readonly #table: string;

  constructor(client: DynamoDBDocumentClient, table: string) {
    this.#client = client;
    this.#table = table;
  }

  /** Of the newest; 0: there is none. */
  async version(accountId: string): Promise<number> {
    return (await this.#read(accountId))?.version ?? 0;
  }

  /** Of exactly this version: an address never gets the credential that is meant for another. */
  async get(accountId: string, version: number): Promise<SealedCredential | undefined> {
    const sealed = (await this.#read(accountId))?.sealed[version];
    return sealed?.version === version ? sealed : undefined;
  }

  /**
   * Follows on the newest: `sealed.version` is one more. Throws `PreconditionFailed` where somebody else was quicker. The
   * same again does nothing.
   */
  async put(accountId: string, sealed: SealedCredential): Promise<void> {
    const before = await this.#read(accountId);
    if (isSame(before?.sealed[sealed.version], sealed)) return;
    const kept = Object.values(before?.sealed ?? {})
      .sort((left, right) => right.version - left.version)
      .slice(0, mostVersionsKept - 1);
    const { version, ciphertext, iv, tag, dataKey } = sealed;
    const versions = [{ version, ciphertext, iv, tag, dataKey }, ...kept].map((one) => [String(one.version), one]);
    try {
      await this.#client.send(
        new PutCommand({
          TableName: this.#table,
          Item: { ...keyOf(accountId), version, sealed: Object.fromEntries(versions) },
          ConditionExpression: version === 1 ? "attribute_not_exists(#partition)" : "#version = :before",
          ExpressionAttributeNames: version === 1 ? { "#partition": "partition" } : { "#version": "version" },
          ...(version !== 1 && { ExpressionAttributeValues: { ":before": version - 1 } }),
        }),
      );
    } catch (error) {
      if (!isErrorNamed(error, "ConditionalCheckFailedException")) throw error;
      // A write whose answer was lost is sent again by the SDK, and finds its own work done.
      if (isSame((await this.#read(accountId))?.sealed[version], sealed)) return;
      throw new CausewayError("PreconditionFailed", "Somebody else changed the account's credential at the same time.");
    }
  }

  async remove(accountId: string): Promise<void> {
    await this.#client.send(new DeleteCommand({ TableName: this.#table, Key: keyOf(accountId) }));
  }

  async #read(accountId: string): Promise<CredentialItem | undefined> {
    const answer = await this.#client.send(
      new GetCommand({ TableName: this.#table, Key: keyOf(accountId), ConsistentRead: true }),
    );
    return answer.Item as CredentialItem | undefined;
  }
}

function keyOf(accountId: string) {
  return { partition: `cred#${accountId}`, item: "credential" };
}

function isSame(kept: SealedCredential | undefined, sealed: SealedCredential): boolean {
  return (
    kept !== undefined && Buffer.compare(kept.ciphertext, sealed.ciphertext) === 0 && kept.version === sealed.version
  );
}
