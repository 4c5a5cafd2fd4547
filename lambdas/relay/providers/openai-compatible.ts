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
});

export const openaiCompatible = openaiProvider({
  name: "openai-compatible",
  settings,
  baseUrlOf: (account) => settings.parse(account.settings).baseUrl,
  probeModelOf: (account) => settings.parse(account.settings).probeModel,
  ownHeaders: () => ({}),
});
