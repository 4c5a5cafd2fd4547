// Entity tags: which version of a thing a caller has seen. Source: RFC 9110, sections 8.8.3, 13.1.1 and 13.1.2.
import { createHash } from "node:crypto";
import { CausewayError } from "./errors.ts";
import { wrongInput } from "./wrong-input.ts";

/** A strong tag from a version number or the like. */
export function tagOf(version: string | number): string {
  return `"${version}"`;
}

/** A strong tag of these very bytes. */
export function tagOfContent(content: string | Uint8Array): string {
  return tagOf(createHash("sha256").update(content).digest("base64url").slice(0, 27));
}

/**
 * Of a thing that shows more than what has a version, such as the load of an account: another tag whenever anything of it
 * changes, and `demandVersion` looks at the version in it alone.
 */
export function tagOfVersion(version: number, content: string): string {
  return tagOf(`${version}.${tagOfContent(content).slice(1, -1)}`);
}

const tagList = /^\s*(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"(?:\s*,\s*(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*")*\s*$/;
const oneTag = /(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"/g;

/** What `If-Match` demands. */
export interface RequiredTag {
  /** `*`: whatever is there, as long as something is. */
  readonly any: boolean;
  readonly tags: readonly string[];
  /** Throws `PreconditionFailed` unless the thing's present tag is among those named. Weak tags match nothing here. */
  demand(presentTag: string | undefined): void;
  /** The same for things that are tagged by `tagOfVersion`, or by a version alone. */
  demandVersion(version: number): void;
}

/** Throws `PreconditionMissing` where there is no header, `InputInvalid` where it is none. */
export function readIfMatch(header: string | undefined): RequiredTag {
  if (header === undefined || header.trim() === "") {
    throw new CausewayError(
      "PreconditionMissing",
      "This change demands the header If-Match with the ETag of what you have seen (or *), so that nobody's change is overwritten unseen.",
    );
  }
  const any = header.trim() === "*";
  if (!any && !tagList.test(header)) {
    throw wrongInput([{ field: "header.If-Match", problem: 'Give entity tags in quotes, such as "3", or *.' }]);
  }
  const tags = any ? [] : (header.match(oneTag) ?? []).filter((tag) => !tag.startsWith("W/"));
  const refuseUnless = (isSeen: boolean) => {
    if (isSeen) return;
    throw new CausewayError(
      "PreconditionFailed",
      "It has been changed since you saw it. Get it again, look at what changed, and repeat your change with the new ETag.",
    );
  };
  return {
    any,
    tags,
    demand: (presentTag) => refuseUnless(presentTag !== undefined && (any || tags.includes(presentTag))),
    demandVersion: (version) =>
      refuseUnless(any || tags.some((tag) => tag === tagOf(version) || tag.startsWith(`"${version}.`))),
  };
}

/** Whether `If-None-Match` names the present tag: then the caller has it. Weakness does not matter here. */
export function isUnchanged(header: string | undefined, presentTag: string): boolean {
  if (header === undefined) return false;
  if (header.trim() === "*") return true;
  const opaque = (tag: string) => tag.replace(/^W\//, "");
  return (header.match(oneTag) ?? []).some((tag) => opaque(tag) === opaque(presentTag));
}
