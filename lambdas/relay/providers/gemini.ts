// Google's Gemini API with an API key, at its own address or at a gateway that speaks it.
import * as z from "zod";
import { proxyCredentialFields } from "../credentials/account-proxy.ts";
import { geminiTierOf } from "../wire/gemini-usage.ts";
import { judgingStreamed } from "./account-verdicts.ts";
import { apiKeyField } from "./credential-fields.ts";
import { geminiStatuses, judgeGemini } from "./gemini-answers.ts";
import { ownRequest, upstreamRequest } from "./prepare-request.ts";
import { mappedModel, type Provider } from "./provider.ts";
import { renameGeminiModel } from "./rename-model.ts";
import { baseUrlField, upstreamUrl } from "./upstream-url.ts";

const credential = z.strictObject({ apiKey: apiKeyField, ...proxyCredentialFields });

const settings = z.strictObject({
  baseUrl: baseUrlField.default("https://generativelanguage.googleapis.com").meta({
    title: "Base URL",
    description: "Google's own, unless a gateway stands before it.",
  }),
});

/** Clients that ask for priority look there whether they were served in it (guide "Priority inference"). */
const tierHeader = "x-gemini-service-tier";

const passedHeaders: ReadonlySet<string> = new Set(["content-type", "cache-control", "allow", tierHeader]);

/** A key may be restricted to apps that name themselves so: a client's own names would make Google refuse the relay's key. */
const namesOfApps = ["x-android-package", "x-android-cert", "x-ios-bundle-identifier"] as const;

/** Google's parameters that say who asks and who pays, each also with a `$`: those of the relay's key alone count. */
const sayingWho = /^\$?(key|access_?token|oauth_token|bearer_token|userProject|quotaUser)$/i;

function queryOfAccount(query: string): string {
  const asked = query.split("&").filter((parameter) => parameter !== "");
  return asked.filter((parameter) => ![...new URLSearchParams(parameter).keys()].some(isSayingWho)).join("&");
}

function isSayingWho(name: string): boolean {
  return sayingWho.test(name.trim());
}

const baseUrlOf: Provider["baseUrlOf"] = (account) => settings.parse(account.settings).baseUrl;

/** Never in the query: addresses are written into logs on the way. */
function authorization(secret: unknown): Record<string, string> {
  return { "x-goog-api-key": credential.parse(secret).apiKey };
}

export const gemini: Provider = {
  name: "gemini",
  platform: "gemini",
  credential,
  settings,
  baseUrlOf,
  prepare(call, account, secret) {
    const model = mappedModel(account, call.model);
    const renamed = model === call.model ? call.upstream : renameGeminiModel(call.upstream, model);
    const message = { ...renamed, query: queryOfAccount(renamed.query) };
    const request = upstreamRequest(message, upstreamUrl(baseUrlOf(account), message, "at-end"), authorization(secret));
    const headers = Object.entries(request.headers).filter(([name]) => !namesOfApps.some((other) => other === name));
    return { ...request, headers: Object.fromEntries(headers) };
  },
  judge: judgeGemini,
  judgeStreamed: judgingStreamed(geminiStatuses, judgeGemini),
  // Google tells its limits only when they are reached.
  foresee: () => undefined,
  servedTier: (headers) => geminiTierOf(headers[tierHeader]).tier,
  passHeader: (header) => passedHeaders.has(header),
  probe(account, secret) {
    const url = upstreamUrl(baseUrlOf(account), { path: "/v1beta/models", query: "pageSize=1" }, "at-end");
    return ownRequest(url, authorization(secret));
  },
};
