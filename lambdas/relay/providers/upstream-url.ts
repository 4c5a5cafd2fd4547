// Upstream URL: an account's base URL and a request's path, joined as the vendors' own clients would.
import * as z from "zod";
import { Refusal } from "../refusal.ts";

/** Held against the address guard too, by whoever sets it and by the transport before each connection. */
export const baseUrlField = z
  .string("Give the base URL.")
  .trim()
  .max(500, "Give a shorter base URL.")
  .regex(
    /^https?:\/\/[^\s/?#@\\]+(\/[^\s?#\\]*)?$/i,
    "Give a base URL such as https://api.example.com/v1, without query.",
  );

/** `v1`, `v4`, `v1beta`, `v1beta1`. */
const version = /^v\d+((alpha|beta)\d*)?$/i;

/** Of paths that a URL's reader would resolve: what is sent is what was checked. */
const dotSegment = /^(\.|%2e){1,2}$/i;

/** What cannot stand in a path as it is: a gateway before the relay may have decoded it. */
const impossible = /[^\x21-\x7e]+|[?#]/g;

/**
 * Absolute URL. A base URL that names a version takes the place of the path's own (`…/api/paas/v4` and `/v1/chat/completions`
 * give `…/api/paas/v4/chat/completions`). `anywhere`: the version may be followed by more, as for OpenAI's clients, whose
 * base URL ends just before `/chat/completions`. Throws `Refusal` NotFound for a path with dot segments.
 */
export function upstreamUrl(
  baseUrl: string,
  { path, query }: { readonly path: string; readonly query: string },
  versionStands: "at-end" | "anywhere",
): string {
  const sentPath = path.toWellFormed().replace(impossible, encodeURIComponent);
  const segments = sentPath.split("/");
  if (segments.some((segment) => dotSegment.test(segment))) {
    throw new Refusal("NotFound", "This relay serves nothing at this path.");
  }
  const base = baseUrl.replace(/\/+$/, "");
  const [, , , ...baseSegments] = base.split("/");
  const named = versionStands === "anywhere" ? baseSegments : baseSegments.slice(-1);
  const isVersioned = version.test(segments[1] ?? "") && named.some((segment) => version.test(segment));
  const rest = isVersioned ? `/${segments.slice(2).join("/")}` : sentPath;
  return `${base}${rest}${query === "" ? "" : `?${query}`}`;
}
