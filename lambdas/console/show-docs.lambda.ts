// Entry: the documents, for everybody; whether the API answers; and 404 for whatever is not there.
import { defineRoutes } from "../shared/define-routes.ts";
import { readEnvironment } from "../shared/environment.ts";
import { CausewayError } from "../shared/errors.ts";
import { documentPlaceholders } from "../shared/openapi-placeholders.ts";
import { AssetsStore } from "./assets.store.ts";
import { showDocsEnvironment } from "./config.ts";
import {
  docsAssets,
  docsPage,
  docsPolicy,
  isDocsAsset,
  placeDocument,
  startScript,
  startScriptName,
} from "./docs-page.ts";
import { routes } from "./routes.ts";

/** The files change with a deployment alone; an hour is soon enough to see it. */
const assetHeaders = { "Cache-Control": "public, max-age=3600" };

export const handler = defineRoutes({
  routes,
  entry: "show-docs",
  build: () => ({ environment: readEnvironment(showDocsEnvironment), assets: new AssetsStore(import.meta.dirname) }),
  handlers: {
    getHealth: (_request, { environment }) => ({
      data: { status: "ok" as const, version: environment.VERSION, at: new Date().toISOString() },
    }),
    showDocs: ({ addressPrefix }, { environment }) => ({
      content: docsPage({ addressPrefix, clientId: environment.CLIENT_ID }),
      headers: { "Content-Security-Policy": docsPolicy(environment.SIGN_IN_URL) },
    }),
    showDocsAsset: ({ path: { asset } }, { assets, environment }) => {
      const headers = { ...assetHeaders, "Content-Security-Policy": docsPolicy(environment.SIGN_IN_URL) };
      if (asset === startScriptName) {
        return { content: startScript, contentType: docsAssets["swagger-ui-bundle.js"], headers };
      }
      if (!isDocsAsset(asset)) throw new CausewayError("NotFound", `The documents have no file ${asset}.`);
      return { content: assets.read(asset), contentType: docsAssets[asset], headers };
    },
    getOpenApi: ({ addressPrefix }, { assets, environment }) => ({
      content: placeDocument(assets.read("openapi.json"), documentPlaceholders, {
        signInUrl: environment.SIGN_IN_URL,
        addressPrefix,
      }),
    }),
  },
});
