// AWS's query protocol as RDS speaks it: parameters in a form, answers in XML.
// Source: the awsQuery protocol in the Smithy documentation; names of lists from the service's model, 2014-10-31.
import type { ServiceResponse } from "../gateway/service.ts";
import { ServiceError } from "../gateway/service.ts";
import { element, type XmlFields } from "../s3/xml.ts";
import { missingParameter } from "./rds-error.ts";

const apiVersion = "2014-10-31";
const namespace = `http://rds.amazonaws.com/doc/${apiVersion}/`;

export interface Filter {
  readonly name: string;
  readonly values: readonly string[];
}

/** A call's parameters, which all arrive as text. */
export class FormParameters {
  readonly #form: ReadonlyMap<string, string>;

  constructor(bodyBytes: Buffer) {
    this.#form = new Map(new URLSearchParams(bodyBytes.toString("utf8")));
  }

  get action(): string {
    return this.#form.get("Action") ?? "";
  }

  /** Throws for another version of the API. */
  requireVersion(): void {
    const version = this.#form.get("Version");
    if (version === apiVersion) return;
    throw new ServiceError(
      400,
      "NoSuchVersion",
      `The local cloud's RDS knows the version ${apiVersion}, not ${version}.`,
    );
  }

  /** An empty value counts as absent. */
  text(name: string): string | undefined {
    return this.#form.get(name) || undefined;
  }

  required(name: string): string {
    return this.text(name) ?? missingParameter(name);
  }

  flag(name: string): boolean {
    return this.#form.get(name) === "true";
  }

  /** `<name>.<item>.1`, `<name>.<item>.2` … */
  list(name: string, item: string): string[] {
    const found: string[] = [];
    for (let index = 1; ; index += 1) {
      const value = this.#form.get(`${name}.${item}.${index}`);
      if (value === undefined) return found;
      found.push(value);
    }
  }

  filters(): Filter[] {
    const found: Filter[] = [];
    for (let index = 1; ; index += 1) {
      const prefix = `Filters.Filter.${index}`;
      const name = this.#form.get(`${prefix}.Name`);
      if (name === undefined) return found;
      found.push({ name, values: this.list(`${prefix}.Values`, "Value") });
    }
  }
}

export function operationOf({ bodyBytes }: { readonly bodyBytes?: Buffer }): string {
  return (bodyBytes && new FormParameters(bodyBytes).action) || "Unknown";
}

export function renderResult(action: string, result: XmlFields, requestId: string): ServiceResponse {
  const inner = element(`${action}Result`, result) + element("ResponseMetadata", { RequestId: requestId });
  return xml(200, `<${action}Response xmlns="${namespace}">${inner}</${action}Response>`);
}

/** What the gateway calls otherwise than this protocol does. */
const protocolNames: Readonly<Record<string, string>> = {
  UnrecognizedClientException: "InvalidClientTokenId",
  InvalidSignatureException: "SignatureDoesNotMatch",
};

export function renderError(error: ServiceError, requestId: string): ServiceResponse {
  const inner =
    element("Error", {
      Type: error.status < 500 ? "Sender" : "Receiver",
      Code: protocolNames[error.code] ?? error.code,
      Message: error.message,
    }) + element("RequestId", requestId);
  return xml(error.status, `<ErrorResponse xmlns="${namespace}">${inner}</ErrorResponse>`);
}

/** Times are RFC 3339 in UTC with milliseconds. */
export function timeText(milliseconds: number | null | undefined): string | undefined {
  return milliseconds === null || milliseconds === undefined ? undefined : new Date(milliseconds).toISOString();
}

function xml(status: number, document: string): ServiceResponse {
  return { status, headers: { "content-type": "text/xml" }, body: document };
}
