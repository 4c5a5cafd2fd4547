// OSS's XML documents: as S3's, but without a namespace.
import { element, type XmlFields } from "../s3/xml.ts";

export function xmlDocument(root: string, fields: XmlFields): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n${element(root, fields)}`;
}
