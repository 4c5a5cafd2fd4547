// Reads an RPC call's parameters the way Aliyun checks them: a bad one is an error that names it.
import { AliyunError } from "./aliyun-error.ts";

/** Parameters that the official client may add and that change nothing here. */
const ignored = new Set(["ResourceOwnerId", "ResourceGroupId", "ClientToken", "Format"]);

export class RequestParameters {
  readonly #values: ReadonlyMap<string, string>;

  /** `known` are the names the operation understands; others are refused by name, never silently dropped. */
  constructor(values: ReadonlyMap<string, string>, known: readonly string[]) {
    for (const name of values.keys()) {
      if (!known.includes(name) && !ignored.has(name)) {
        throw new AliyunError(400, "UnsupportedParameter", `The parameter "${name}" is not supported by the stand-in.`);
      }
    }
    this.#values = values;
  }

  text(name: string): string | undefined {
    const value = this.#values.get(name);
    return value === "" ? undefined : value;
  }

  mandatory(name: string): string {
    const value = this.text(name);
    if (value === undefined) throw new AliyunError(400, `Missing${name}`, `${name} is mandatory for this action.`);
    return value;
  }

  oneOf(name: string, allowed: readonly string[]): string | undefined {
    const value = this.text(name);
    if (value !== undefined && !allowed.includes(value)) throw invalid(name, `one of ${allowed.join(", ")}`);
    return value;
  }

  wholeNumber(name: string, smallest: number, largest: number): number | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    const number = /^\d{1,15}$/.test(value) ? Number(value) : Number.NaN;
    if (!(number >= smallest && number <= largest)) throw invalid(name, `a number from ${smallest} to ${largest}`);
    return number;
  }

  /** UTC to the minute, `yyyy-MM-ddTHH:mmZ`; milliseconds since 1970. With seconds it is refused, as by Aliyun. */
  minute(name: string): number | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    const milliseconds = /^\d{4}-\d\d-\d\dT\d\d:\d\dZ$/.test(value) ? Date.parse(value) : Number.NaN;
    if (Number.isNaN(milliseconds)) {
      throw new AliyunError(400, `Invalid${name}.Malformed`, `The specified ${name} is not yyyy-MM-ddTHH:mmZ in UTC.`);
    }
    return milliseconds;
  }
}

export function invalid(name: string, wanted: string): AliyunError {
  return new AliyunError(400, `Invalid${name}`, `Specified parameter ${name} is not valid: it must be ${wanted}.`);
}
