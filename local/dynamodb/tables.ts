// The tables of the templates: made at first boot, recognised at every later one.
import { ServiceError } from "../gateway/service.ts";

interface KeySchemaElement {
  readonly AttributeName: string;
  readonly KeyType: "HASH" | "RANGE";
}

interface IndexDefinition {
  readonly IndexName: string;
  readonly KeySchema: readonly KeySchemaElement[];
  readonly Projection: unknown;
}

export interface TableDefinition {
  readonly tableName: string;
  readonly arn: string;
  readonly keySchema: readonly KeySchemaElement[];
  readonly attributeDefinitions: readonly { readonly AttributeName: string; readonly AttributeType: string }[];
  readonly globalSecondaryIndexes: readonly IndexDefinition[];
  readonly localSecondaryIndexes: readonly IndexDefinition[];
  readonly timeToLiveAttribute: string | undefined;
  /** KEYS_ONLY, NEW_IMAGE … */
  readonly streamViewType: string | undefined;
  /** As the templates name it; there is one where there is a view type. */
  readonly streamArn?: string;
  /** The customer's key that encrypts the table: whoever reads or writes items must be allowed to decrypt with it. */
  readonly kmsKeyArn?: string;
}

/** Names of its key attributes, the partition key first. */
export function keyNamesOf(definition: TableDefinition): readonly string[] {
  return [...definition.keySchema]
    .sort((left, right) => left.KeyType.localeCompare(right.KeyType))
    .map(({ AttributeName }) => AttributeName);
}

/** Sends one call to the DynamoDB server; throws a ServiceError with its error's name. */
export type CallBackend = (operation: string, input: object) => Promise<Readonly<Record<string, unknown>>>;

/** Throws an Error with a sentence when a table of this name exists with other keys. */
export async function ensureTable(definition: TableDefinition, call: CallBackend): Promise<void> {
  try {
    await call("CreateTable", createInput(definition));
  } catch (error) {
    if (!(error instanceof ServiceError && error.code === "ResourceInUseException")) throw error;
    const { Table } = await call("DescribeTable", { TableName: definition.tableName });
    const existing = Table as ExistingTable;
    assertSameShape(definition, existing);
    if (definition.streamViewType !== undefined && !existing.StreamSpecification?.StreamEnabled) {
      await call("UpdateTable", { TableName: definition.tableName, StreamSpecification: wholeStream });
    }
    return;
  }
  if (definition.timeToLiveAttribute !== undefined) {
    await call("UpdateTimeToLive", {
      TableName: definition.tableName,
      TimeToLiveSpecification: { Enabled: true, AttributeName: definition.timeToLiveAttribute },
    });
  }
}

/** Name of the partition key of a table or one of its indexes. */
export function partitionKeyOf(definition: TableDefinition, indexName?: string): string | undefined {
  const index = [...definition.globalSecondaryIndexes, ...definition.localSecondaryIndexes].find(
    ({ IndexName }) => IndexName === indexName,
  );
  const keySchema = indexName === undefined ? definition.keySchema : (index?.KeySchema ?? []);
  return keySchema.find(({ KeyType }) => KeyType === "HASH")?.AttributeName;
}

function createInput(definition: TableDefinition): object {
  const { globalSecondaryIndexes, localSecondaryIndexes, streamViewType } = definition;
  const bare = ({ IndexName, KeySchema, Projection }: IndexDefinition) => ({ IndexName, KeySchema, Projection });
  return {
    TableName: definition.tableName,
    KeySchema: definition.keySchema,
    AttributeDefinitions: definition.attributeDefinitions,
    BillingMode: "PAY_PER_REQUEST",
    ...(globalSecondaryIndexes.length > 0 ? { GlobalSecondaryIndexes: globalSecondaryIndexes.map(bare) } : {}),
    ...(localSecondaryIndexes.length > 0 ? { LocalSecondaryIndexes: localSecondaryIndexes.map(bare) } : {}),
    ...(streamViewType ? { StreamSpecification: wholeStream } : {}),
  };
}

/** Whatever the template's view: only both images tell which writes changed nothing (see table-streams.ts). */
const wholeStream = { StreamEnabled: true, StreamViewType: "NEW_AND_OLD_IMAGES" };

interface ExistingTable {
  readonly StreamSpecification?: { readonly StreamEnabled?: boolean };
  readonly KeySchema: readonly KeySchemaElement[];
  readonly GlobalSecondaryIndexes?: readonly IndexDefinition[];
  readonly LocalSecondaryIndexes?: readonly IndexDefinition[];
}

function assertSameShape(definition: TableDefinition, existing: ExistingTable): void {
  const wanted = shape(definition.keySchema, definition.globalSecondaryIndexes, definition.localSecondaryIndexes);
  const found = shape(existing.KeySchema, existing.GlobalSecondaryIndexes, existing.LocalSecondaryIndexes);
  if (wanted === found) return;
  throw new Error(
    `The table ${definition.tableName} of an earlier run has other keys (${found}) than the template now wants ` +
      `(${wanted}). Clear the local state with: npm run local:reset`,
  );
}

function shape(
  keySchema: readonly KeySchemaElement[],
  globalIndexes: readonly IndexDefinition[] = [],
  localIndexes: readonly IndexDefinition[] = [],
): string {
  const keys = (elements: readonly KeySchemaElement[]) => elements.map((element) => element.AttributeName).join("+");
  const indexes = [...globalIndexes, ...localIndexes].map((index) => `${index.IndexName}: ${keys(index.KeySchema)}`);
  return [keys(keySchema), ...indexes.sort()].join(", ");
}
