// The page at /docs: Swagger UI, told by data attributes where it is and as which client people sign in.

/** Beside the bundle, from swagger-ui-dist; with what they are. Nothing else is served. */
export const docsAssets = {
  "swagger-ui.css": "text/css; charset=utf-8",
  "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
  "oauth2-redirect.html": "text/html; charset=utf-8",
  "oauth2-redirect.js": "text/javascript; charset=utf-8",
} as const satisfies Readonly<Record<string, string>>;

export type DocsAsset = keyof typeof docsAssets;

export function isDocsAsset(name: string): name is DocsAsset {
  return Object.hasOwn(docsAssets, name);
}

/** The script that the page itself needs; a file of its own, because the page allows no scripts inside it. */
export const startScriptName = "start.js";

export const startScript = `const { document: place, client } = document.getElementById("swagger-ui").dataset;
const ui = SwaggerUIBundle({
  url: place,
  dom_id: "#swagger-ui",
  deepLinking: true,
  persistAuthorization: false,
  tryItOutEnabled: true,
  validatorUrl: null,
  oauth2RedirectUrl: new URL("oauth2-redirect.html", document.baseURI).href,
});
ui.initOAuth({ clientId: client, scopes: "openid email", usePkceWithAuthorizationCodeGrant: true });
window.ui = ui;
`;

export interface DocsPage {
  /** What stands before the path in the address: API Gateway's stage, or nothing. */
  readonly addressPrefix: string;
  readonly clientId: string;
}

export function docsPage({ addressPrefix, clientId }: DocsPage): string {
  return `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <title>Causeway</title>
    <base href="${inAttribute(addressPrefix)}/docs/">
    <link rel="stylesheet" href="swagger-ui.css">
    <link rel="icon" href="data:,">
  </head>
  <body>
    <div id="swagger-ui" data-document="${inAttribute(addressPrefix)}/openapi.json" data-client="${inAttribute(clientId)}"></div>
    <script src="swagger-ui-bundle.js"></script>
    <script src="${startScriptName}"></script>
  </body>
</html>
`;
}

/** Scripts of our own files alone; calls to the API itself and to the sign-in's token endpoint; no frame around it. */
export function docsPolicy(signInUrl: string): string {
  return [
    "default-src 'none'",
    "script-src 'self'",
    // Swagger UI sets styles on its elements.
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data:",
    "font-src 'self' data:",
    `connect-src 'self' ${new URL(signInUrl).origin}`,
    "base-uri 'self'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; ");
}

/** The checked-in document with this deployment's addresses in place of the placeholders. */
export function placeDocument(
  document: string,
  placeholders: { readonly signInUrl: string; readonly serverUrl: string },
  actual: { readonly signInUrl: string; readonly addressPrefix: string },
): string {
  return document
    .replaceAll(placeholders.signInUrl, actual.signInUrl)
    .replaceAll(placeholders.serverUrl, actual.addressPrefix === "" ? "/" : actual.addressPrefix);
}

function inAttribute(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll('"', "&quot;").replaceAll("<", "&lt;");
}
