// Providers and servers that speak OpenAI's API at an address of their own.
import * as z from "zod";
import { probeModelField } from "./credential-fields.ts";
import { openaiProvider } from "./openai-provider.ts";
import { baseUrlField } from "./upstream-url.ts";

const settings = z.strictObject({
  baseUrl: baseUrlField.meta({
    title: "Base URL",
    description:
      "As for OPENAI_BASE_URL: /chat/completions is added where it names a version (…/v1), else /v1/chat/completions.",
  }),
  probeModel: probeModelField,
  streamUsage: z.enum(["asked-for", "by-itself"], 'Give "asked-for" or "by-itself".').optional().meta({
    title: "Usage in streams",
    description:
      "by-itself, where the server refuses stream_options.include_usage and tells of a chat stream's usage unasked, as Mistral does (known by its address); else asked-for.",
  }),
});

/** Its schema forbids `include_usage` (status 422), and its last chunk has the usage: github.com/TabbyML/tabby, pull request 4082. */
const mistralAddress = /^https?:\/\/([^/]*\.)?mistral\.ai(:\d+)?(\/|$)/i;

export const openaiCompatible = openaiProvider({
  name: "openai-compatible",
  settings,
  baseUrlOf: (account) => settings.parse(account.settings).baseUrl,
  probeModelOf: (account) => settings.parse(account.settings).probeModel,
  refusesToBeAskedForUsage(account) {
    const { baseUrl, streamUsage } = settings.parse(account.settings);
    return streamUsage === undefined ? mistralAddress.test(baseUrl) : streamUsage === "by-itself";
  },
  ownHeaders: () => ({}),
});
