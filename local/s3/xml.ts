// S3's XML: small documents written from plain objects, and read with every entity decoded exactly once.
import { XMLParser, XMLValidator } from "fast-xml-parser";

export type XmlValue = string | number | boolean | undefined | XmlFields | readonly XmlValue[];

/** Members in order; undefined is left out, an array repeats its element. */
export interface XmlFields {
  readonly [element: string]: XmlValue;
}

export function xmlDocument(root: string, fields: XmlFields): string {
  // S3's own errors bear no namespace; everything else does.
  const namespace = root === "Error" ? "" : ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"';
  return `<?xml version="1.0" encoding="UTF-8"?>\n<${root}${namespace}>${content(fields)}</${root}>`;
}

function content(fields: XmlFields): string {
  return Object.entries(fields)
    .map(([name, value]) => element(name, value))
    .join("");
}

/** One element, or one for each item of a list; nothing for undefined. */
export function element(name: string, value: XmlValue): string {
  if (value === undefined) return "";
  if (isList(value)) return value.map((item) => element(name, item)).join("");
  return `<${name}>${typeof value === "object" ? content(value) : escapeText(String(value))}</${name}>`;
}

function isList(value: XmlValue): value is readonly XmlValue[] {
  return Array.isArray(value);
}

const namedEntities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
};

/** Control characters go out as references, as S3 sends them although XML 1.0 forbids most of them. */
function escapeText(text: string): string {
  return text.replace(
    // biome-ignore lint/suspicious/noControlCharactersInRegex: keys may hold control characters, and must survive
    /[&<>"\u0000-\u001f\u007f]/g,
    (char) => namedEntities[char] ?? `&#x${char.charCodeAt(0).toString(16)};`,
  );
}

/** Entities are decoded by `decodeText`: the parser leaves numeric ones alone. */
const parser = new XMLParser({
  ignoreAttributes: true,
  parseTagValue: false,
  trimValues: false,
  processEntities: false,
  alwaysCreateTextNode: false,
});

export type XmlNode = Readonly<Record<string, unknown>>;

/** The content of the document's root element, or undefined where the text is no such document. */
export function parseXml(text: string, root: string): XmlNode | undefined {
  if (XMLValidator.validate(text) !== true) return undefined;
  const parsed = parser.parse(text) as Readonly<Record<string, unknown>>;
  const found = parsed[root];
  if (typeof found === "string") return {};
  return typeof found === "object" && found !== null ? (found as XmlNode) : undefined;
}

/** The text of a child element; undefined where it is absent or holds elements. */
export function childText(node: XmlNode, name: string): string | undefined {
  const value = node[name];
  return typeof value === "string" ? decodeText(value) : undefined;
}

/** The child elements of a name, however often it occurs. */
export function childNodes(node: XmlNode, name: string): XmlNode[] {
  const value = node[name];
  if (value === undefined) return [];
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  return list.map((item) => (typeof item === "object" && item !== null ? (item as XmlNode) : {}));
}

const entityCharacters: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };

function decodeText(text: string): string {
  return text.replace(/&(?:#x([0-9a-f]{1,6})|#(\d{1,7})|(amp|lt|gt|quot|apos));/gi, (whole, hex, decimal, name) => {
    if (typeof name === "string") return entityCharacters[name.toLowerCase()] ?? whole;
    const codePoint = typeof hex === "string" ? Number.parseInt(hex, 16) : Number(decimal);
    return codePoint <= 0x10ffff ? String.fromCodePoint(codePoint) : whole;
  });
}

/**
 * `encoding-type=url` of the list operations: as HTML forms are encoded, but with slashes left alone.
 * Source: the examples in S3's ListObjectsV2 reference ("test_file%283%29.png").
 */
export function encodeListedKey(key: string): string {
  return encodeURIComponent(key)
    .replace(/[!'()~]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll("%20", "+")
    .replaceAll("%2F", "/");
}
