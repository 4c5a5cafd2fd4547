// Reads a resource's resolved properties, and names resource and property when one is not as expected.
import { isList, isObject } from "./intrinsics.ts";
import type { Json, JsonObject } from "./read-assembly.ts";
import type { Resource } from "./resolve-assembly.ts";

export class Properties {
  readonly #values: JsonObject;
  readonly #where: string;

  constructor(values: JsonObject, where: string) {
    this.#values = values;
    this.#where = where;
  }

  static of(resource: Resource): Properties {
    return new Properties(resource.properties, `${resource.type} (${resource.constructPath})`);
  }

  has(name: string): boolean {
    return this.#values[name] !== undefined;
  }

  text(name: string): string {
    return this.optionalText(name) ?? this.#refuse(name, "is missing");
  }

  /** Numbers and truth values are taken as their text, as CloudFormation does. */
  optionalText(name: string): string | undefined {
    const value = this.#values[name];
    if (value === undefined || value === null) return undefined;
    return typeof value === "object" ? this.#refuse(name, "must be a text") : String(value);
  }

  number(name: string): number | undefined {
    const text = this.optionalText(name);
    if (text === undefined) return undefined;
    const value = Number(text);
    return Number.isFinite(value) ? value : this.#refuse(name, "must be a number");
  }

  flag(name: string): boolean {
    return this.optionalText(name) === "true";
  }

  /** Empty where the property is absent. */
  object(name: string): Properties {
    return new Properties(this.raw(name), `${this.#where}: ${name}`);
  }

  /** Empty where the property is absent. */
  objects(name: string): Properties[] {
    return this.rawList(name).map((item) =>
      isObject(item)
        ? new Properties(item, `${this.#where}: ${name}`)
        : this.#refuse(name, "must be a list of objects"),
    );
  }

  texts(name: string): string[] {
    return this.rawList(name).map(String);
  }

  raw(name: string): JsonObject {
    const value = this.#values[name] ?? {};
    return isObject(value) ? value : this.#refuse(name, "must be an object");
  }

  rawList(name: string): readonly Json[] {
    const value = this.#values[name] ?? [];
    return isList(value) ? value : this.#refuse(name, "must be a list");
  }

  /** An object written as JSON or as its text: an event pattern, a policy, a definition. */
  json(name: string): JsonObject {
    const value = this.#values[name];
    if (typeof value !== "string") return this.raw(name);
    try {
      return JSON.parse(value) as JsonObject;
    } catch {
      return this.#refuse(name, "must be JSON");
    }
  }

  /** The members as texts: environment variables, substitutions. */
  textMap(): Record<string, string> {
    return Object.fromEntries(Object.keys(this.#values).map((name) => [name, this.text(name)]));
  }

  #refuse(name: string, what: string): never {
    throw new Error(`${this.#where}: ${name} ${what}.`);
  }
}
