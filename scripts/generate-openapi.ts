// Writes docs/openapi.json from the routes of every room. `npm run openapi`, after routes have changed.
import { readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { openApiDocument } from "../lambdas/shared/openapi.ts";
import { documentPlaceholders } from "../lambdas/shared/openapi-placeholders.ts";
import { allRoutes } from "../lib/routes.ts";

const projectFolder = resolve(import.meta.dirname, "..");

export const documentFile = resolve(projectFolder, "docs/openapi.json");

/** As it is to be in the file. */
export function renderDocument(): string {
  const { version } = JSON.parse(readFileSync(resolve(projectFolder, "package.json"), "utf8")) as { version: string };
  return `${JSON.stringify(openApiDocument(allRoutes, { version, ...documentPlaceholders }), undefined, 2)}\n`;
}

if (import.meta.main) writeFileSync(documentFile, renderDocument());
