// Find operation: what a path of a protocol asks for, or the refusal that says why the relay does not do it.
import { Refusal } from "../refusal.ts";

export interface Operation {
  readonly name: string;
  readonly method: "GET" | "POST";
  /** Of the whole path; its groups are the path's variable parts. */
  readonly path: RegExp;
}

/** A part of the vendor's API that the relay knows and does not serve. */
export interface Unserved {
  readonly path: RegExp;
  /** As people call it: "the Batches API". */
  readonly what: string;
}

export interface Found {
  readonly name: string;
  /** The path's variable parts, percent-decoded. */
  readonly parts: readonly string[];
}

/** Throws `Refusal` NotSupported, NotFound or MethodNotAllowed. */
export function findOperation(
  operations: readonly Operation[],
  unserved: readonly Unserved[],
  { method, path }: { readonly method: string; readonly path: string },
): Found {
  const known = operations.filter((operation) => operation.path.test(path));
  const operation = known.find((candidate) => candidate.method === method);
  if (operation !== undefined) {
    const parts = operation.path.exec(path)?.slice(1) ?? [];
    return { name: operation.name, parts: parts.map(decodePart) };
  }
  const other = unserved.find((candidate) => candidate.path.test(path));
  if (other !== undefined) throw new Refusal("NotSupported", `This relay does not serve ${other.what}.`);
  if (known.length === 0) throw new Refusal("NotFound", "This relay serves nothing at this path.");
  const allow = [...new Set(known.map((candidate) => candidate.method))];
  throw new Refusal("MethodNotAllowed", `This path takes ${allow.join(" and ")}.`, { allow });
}

/**
 * A name that climbs out of its folder would reach whatever else the account has: files, keys, bills. One with an empty
 * segment is redirected by some servers (Starlette, for example), and a redirect would speak against the account.
 */
function decodePart(part: string): string {
  const decoded = decodeOnce(part);
  const climbs = decoded.split(/[/\\]/).some((segment) => segment === "" || segment === "." || segment === "..");
  if (climbs) throw new Refusal("NotFound", "This relay serves nothing at this path.");
  return decoded;
}

function decodeOnce(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new Refusal("NotFound", "The path is not well percent-encoded.");
  }
}
