// Attributes of DynamoDB as the SDK's plain client takes and gives them: the ledger's hot path does without the document client.

/** A value as it is written. */
export type Attribute =
  | { readonly S: string }
  | { readonly N: string }
  | { readonly BOOL: boolean }
  | { readonly NULL: true }
  | { readonly L: Attribute[] }
  | { readonly M: Record<string, Attribute> };

/** A value as it is read. */
export interface StoredAttribute {
  readonly S?: string;
  readonly N?: string;
  readonly BOOL?: boolean;
  readonly L?: readonly StoredAttribute[];
  readonly M?: Readonly<Record<string, StoredAttribute>>;
}

export type StoredItem = Readonly<Record<string, StoredAttribute>>;

export const text = (value: string) => ({ S: value });
export const number = (value: number) => ({ N: String(value) });
export const yes = { BOOL: true };

export function numberOf(attribute: StoredAttribute | undefined): number | undefined {
  return attribute?.N === undefined ? undefined : Number(attribute.N);
}

export function attributeOf(value: string | number | boolean | null | object): Attribute {
  if (typeof value === "string") return text(value);
  if (typeof value === "number") return number(value);
  if (typeof value === "boolean") return { BOOL: value };
  if (value === null) return { NULL: true };
  if (Array.isArray(value)) return { L: value.map(attributeOf) };
  return { M: attributesOf(value) };
}

/** Each property as an attribute of the same name; those that are undefined are left out. */
export function attributesOf(value: object): Record<string, Attribute> {
  const attributes: Record<string, Attribute> = {};
  for (const [name, member] of Object.entries(value)) if (member !== undefined) attributes[name] = attributeOf(member);
  return attributes;
}
