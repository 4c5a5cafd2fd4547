// Envelope: a credential is sealed with a data key of its own, and KMS opens that key only for this account of this stage.
import { createCipheriv, createDecipheriv } from "node:crypto";
import { CausewayError, isErrorNamed } from "../../shared/errors.ts";

/** KMS's encryption context, and bound to the ciphertext as well: neither can be moved to another account or stage. */
export interface CredentialContext {
  readonly accountId: string;
  readonly stage: string;
}

/** What is kept. */
export interface SealedCredential {
  /** Counts the account's credentials; bound to the ciphertext, so that an old one cannot be put in the place of a new one. */
  readonly version: number;
  /** AES-256-GCM of the credential's JSON. */
  readonly ciphertext: Uint8Array;
  readonly iv: Uint8Array;
  readonly tag: Uint8Array;
  /** The data key as KMS encrypted it. */
  readonly dataKey: Uint8Array;
}

/** KMS, as far as envelopes need it. */
export interface DataKeys {
  /** A new key of 256 bits: as it is, and as KMS alone can open it. */
  make(context: CredentialContext): Promise<{ readonly plain: Uint8Array; readonly sealed: Uint8Array }>;
  open(sealed: Uint8Array, context: CredentialContext): Promise<Uint8Array>;
}

const algorithm = "aes-256-gcm";
const ivBytes = 12;
const tagBytes = 16;

/** More than any provider's credential; DynamoDB's items end at 400 KB. */
const mostCredentialBytes = 32_768;

/** Throws `InputInvalid` for a credential that is larger than any should be. Errors of KMS pass. */
export async function encryptCredential(
  credential: unknown,
  { accountId, stage, version }: CredentialContext & { readonly version: number },
  ports: { readonly dataKeys: Pick<DataKeys, "make">; readonly random: (bytes: number) => Uint8Array },
): Promise<SealedCredential> {
  const plaintext = Buffer.from(JSON.stringify(credential));
  if (plaintext.length > mostCredentialBytes) {
    throw new CausewayError("InputInvalid", `A credential has at most ${mostCredentialBytes} bytes.`);
  }
  const context = { accountId, stage };
  const { plain, sealed } = await ports.dataKeys.make(context);
  const iv = ports.random(ivBytes);
  const cipher = createCipheriv(algorithm, plain, iv, { authTagLength: tagBytes });
  cipher.setAAD(boundBytes(context, version));
  const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final()]);
  plain.fill(0);
  plaintext.fill(0);
  return { version, ciphertext, iv, tag: cipher.getAuthTag(), dataKey: sealed };
}

/**
 * Throws `CredentialUnreadable` for what was changed, moved from another account, stage or version, or sealed by another
 * key; which of them is not said. Other errors of KMS pass.
 */
export async function decryptCredential(
  { version, ciphertext, iv, tag, dataKey }: SealedCredential,
  context: CredentialContext,
  dataKeys: Pick<DataKeys, "open">,
): Promise<unknown> {
  const key = await openKey(dataKey, context, dataKeys);
  try {
    const decipher = createDecipheriv(algorithm, key, iv, { authTagLength: tagBytes });
    decipher.setAAD(boundBytes(context, version));
    decipher.setAuthTag(tag);
    const plaintext = Buffer.concat([decipher.update(ciphertext), decipher.final()]);
    return JSON.parse(plaintext.toString("utf8"));
  } catch {
    throw unreadable();
  } finally {
    key.fill(0);
  }
}

async function openKey(
  sealed: Uint8Array,
  { accountId, stage }: CredentialContext,
  dataKeys: Pick<DataKeys, "open">,
): Promise<Uint8Array> {
  try {
    return await dataKeys.open(sealed, { accountId, stage });
  } catch (error) {
    if (isErrorNamed(error, "InvalidCiphertextException", "IncorrectKeyException")) throw unreadable();
    throw error;
  }
}

function boundBytes({ accountId, stage }: CredentialContext, version: number): Buffer {
  return Buffer.from(JSON.stringify(["causeway relay credential", stage, accountId, version]));
}

function unreadable(): CausewayError {
  return new CausewayError("CredentialUnreadable", "The account's credential cannot be opened: give it anew.");
}
