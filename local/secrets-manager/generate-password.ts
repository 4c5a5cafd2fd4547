// Random passwords by the rules of Secrets Manager's GenerateSecretString, for secrets that a template lets AWS invent.
import { randomInt } from "node:crypto";

/** CloudFormation's `GenerateSecretString`, in its own spelling. */
export interface GenerateSecretString {
  readonly PasswordLength?: number;
  readonly ExcludeCharacters?: string;
  readonly ExcludeLowercase?: boolean;
  readonly ExcludeUppercase?: boolean;
  readonly ExcludeNumbers?: boolean;
  readonly ExcludePunctuation?: boolean;
  readonly IncludeSpace?: boolean;
  readonly RequireEachIncludedType?: boolean;
  /** A JSON object as text; the password becomes its member `GenerateStringKey`. */
  readonly SecretStringTemplate?: string;
  readonly GenerateStringKey?: string;
}

const defaultLength = 32;
const longestPassword = 4096;

/** The secret string: the bare password, or the template's JSON with the password in it. Throws RangeError. */
export function generateSecretString(rules: GenerateSecretString): string {
  const password = generatePassword(rules);
  if (rules.SecretStringTemplate === undefined) return password;
  if (!rules.GenerateStringKey) throw new RangeError("SecretStringTemplate needs GenerateStringKey.");
  const template: unknown = JSON.parse(rules.SecretStringTemplate);
  if (typeof template !== "object" || template === null) throw new RangeError("SecretStringTemplate is not an object.");
  return JSON.stringify({ ...template, [rules.GenerateStringKey]: password });
}

function generatePassword(rules: GenerateSecretString): string {
  const length = rules.PasswordLength ?? defaultLength;
  const kinds = [
    rules.ExcludeLowercase ? "" : "abcdefghijklmnopqrstuvwxyz",
    rules.ExcludeUppercase ? "" : "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    rules.ExcludeNumbers ? "" : "0123456789",
    rules.ExcludePunctuation ? "" : "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~",
    rules.IncludeSpace ? " " : "",
  ]
    .map((kind) => [...kind].filter((character) => !rules.ExcludeCharacters?.includes(character)))
    .filter((kind) => kind.length > 0);
  if (kinds.length === 0 || length < kinds.length || length > longestPassword) {
    throw new RangeError(`No password of ${length} characters satisfies GenerateSecretString.`);
  }
  const pick = (from: readonly string[]) => from[randomInt(from.length)] ?? "";
  const required = (rules.RequireEachIncludedType ?? true) ? kinds.map(pick) : [];
  const all = kinds.flat();
  const characters = [...required, ...Array.from({ length: length - required.length }, () => pick(all))];
  for (let last = characters.length - 1; last > 0; last -= 1) {
    const other = randomInt(last + 1);
    [characters[last], characters[other]] = [characters[other] ?? "", characters[last] ?? ""];
  }
  return characters.join("");
}
