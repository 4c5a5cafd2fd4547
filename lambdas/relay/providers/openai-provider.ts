// What OpenAI and its compatible peers have in common: headers, limits, refusals. They differ in where they are.
import * as z from "zod";
import { proxyCredentialFields } from "../credentials/account-proxy.ts";
import type { Account } from "../scheduling/account.ts";
import { judgingStreamed } from "./account-verdicts.ts";
import { apiKeyField } from "./credential-fields.ts";
import { foreseeOpenai, judgeOpenai, openaiStatuses } from "./openai-answers.ts";
import { ownRequest, upstreamRequest } from "./prepare-request.ts";
import { mappedModel, type Provider } from "./provider.ts";
import { renameBodyModel } from "./rename-model.ts";
import { upstreamUrl } from "./upstream-url.ts";

const credential = z.strictObject({ apiKey: apiKeyField, ...proxyCredentialFields });

/** Not organisation, project and limits: those are the account's. */
const passedHeaders: ReadonlySet<string> = new Set([
  "content-type",
  "cache-control",
  "x-request-id",
  "x-should-retry",
  "openai-version",
  "openai-processing-ms",
  "allow",
]);

interface Variant {
  readonly name: string;
  readonly settings: z.ZodObject;
  baseUrlOf(account: Account): string;
  probeModelOf(account: Account): string | undefined;
  /** Its streams tell of their usage by themselves, and it refuses to be asked for it. */
  refusesToBeAskedForUsage(account: Account): boolean;
  /** Beyond the key. */
  ownHeaders(account: Account): Readonly<Record<string, string>>;
}

export function openaiProvider(variant: Variant): Provider {
  const { name, settings, baseUrlOf, probeModelOf, ownHeaders } = variant;
  const authorization = (account: Account, secret: unknown): Record<string, string> => ({
    ...ownHeaders(account),
    authorization: `Bearer ${credential.parse(secret).apiKey}`,
  });
  return {
    name,
    platform: "openai",
    credential,
    settings,
    baseUrlOf,
    prepare(call, account, secret) {
      const model = mappedModel(account, call.model);
      const asked = variant.refusesToBeAskedForUsage(account) ? (call.uninjected ?? call.upstream) : call.upstream;
      const message = model === call.model ? asked : renameBodyModel(asked, model);
      const url = upstreamUrl(baseUrlOf(account), message, "anywhere");
      return upstreamRequest(message, url, authorization(account, secret));
    },
    judge: judgeOpenai,
    judgeStreamed: judgingStreamed(openaiStatuses, judgeOpenai),
    foresee: foreseeOpenai,
    servedTier: () => undefined,
    passHeader: (header) => passedHeaders.has(header),
    probe(account, secret) {
      const headers = authorization(account, secret);
      const model = probeModelOf(account);
      const at = (path: string) => upstreamUrl(baseUrlOf(account), { path, query: "" }, "anywhere");
      if (model === undefined) return ownRequest(at("/v1/models"), headers);
      const messages = [{ role: "user", content: "." }];
      return ownRequest(at("/v1/chat/completions"), headers, { model, max_tokens: 1, messages });
    },
  };
}
