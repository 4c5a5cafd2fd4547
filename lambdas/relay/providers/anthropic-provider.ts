// What Anthropic and its compatible peers have in common: headers, limits, refusals. They differ in where they are.
import * as z from "zod";
import { proxyCredentialFields } from "../credentials/account-proxy.ts";
import type { Account } from "../scheduling/account.ts";
import { judgingStreamed } from "./account-verdicts.ts";
import { anthropicStatuses, foreseeAnthropic, judgeAnthropic } from "./anthropic-answers.ts";
import { apiKeyField } from "./credential-fields.ts";
import { ownRequest, upstreamRequest } from "./prepare-request.ts";
import { mappedModel, type Provider } from "./provider.ts";
import { renameBodyModel } from "./rename-model.ts";
import { upstreamUrl } from "./upstream-url.ts";

const credential = z.strictObject({ apiKey: apiKeyField, ...proxyCredentialFields });

/** Both are taken by Anthropic; peers and gateways often take one alone. */
export const authField = z.enum(["x-api-key", "bearer"], 'Give "x-api-key" or "bearer".').default("x-api-key").meta({
  title: "Authentication",
  description: "The header that carries the key: x-api-key, or Authorization: Bearer.",
});

const authSettings = z.object({ auth: authField });

/** For the relay's own calls; a client's version goes upstream as the client sent it. */
const ownVersion = "2023-06-01";

/** Everything else tells of the account, of its limits or of the vendor's own house. */
const passedHeaders: ReadonlySet<string> = new Set([
  "content-type",
  "cache-control",
  "request-id",
  "x-should-retry",
  "allow",
]);

interface Variant {
  readonly name: string;
  readonly settings: z.ZodObject;
  baseUrlOf(account: Account): string;
  probeModelOf(account: Account): string | undefined;
}

export function anthropicProvider({ name, settings, baseUrlOf, probeModelOf }: Variant): Provider {
  const authorization = (account: Account, secret: unknown): Record<string, string> => {
    const { apiKey } = credential.parse(secret);
    const { auth } = authSettings.parse(account.settings);
    return auth === "bearer" ? { authorization: `Bearer ${apiKey}` } : { "x-api-key": apiKey };
  };
  return {
    name,
    platform: "anthropic",
    credential,
    settings,
    baseUrlOf,
    prepare(call, account, secret) {
      const model = mappedModel(account, call.model);
      const message = model === call.model ? call.upstream : renameBodyModel(call.upstream, model);
      const url = upstreamUrl(baseUrlOf(account), message, "at-end");
      return upstreamRequest(message, url, authorization(account, secret));
    },
    judge: judgeAnthropic,
    judgeStreamed: judgingStreamed(anthropicStatuses, judgeAnthropic),
    foresee: foreseeAnthropic,
    servedTier: () => undefined,
    passHeader: (header) => passedHeaders.has(header),
    probe(account, secret) {
      const headers = { ...authorization(account, secret), "anthropic-version": ownVersion };
      const model = probeModelOf(account);
      const at = (path: string, query: string) => upstreamUrl(baseUrlOf(account), { path, query }, "at-end");
      if (model === undefined) return ownRequest(at("/v1/models", "limit=1"), headers);
      const messages = [{ role: "user", content: "." }];
      return ownRequest(at("/v1/messages", ""), headers, { model, max_tokens: 1, messages });
    },
  };
}
