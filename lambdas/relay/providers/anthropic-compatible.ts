// Providers and gateways that speak Anthropic's API at an address of their own.
import * as z from "zod";
import { anthropicProvider, authField } from "./anthropic-provider.ts";
import { probeModelField } from "./credential-fields.ts";
import { baseUrlField } from "./upstream-url.ts";

const settings = z.strictObject({
  baseUrl: baseUrlField.meta({
    title: "Base URL",
    description: "As for ANTHROPIC_BASE_URL: /v1/messages is added to it, or /messages where it ends in /v1.",
  }),
  auth: authField,
  probeModel: probeModelField,
});

export const anthropicCompatible = anthropicProvider({
  name: "anthropic-compatible",
  settings,
  baseUrlOf: (account) => settings.parse(account.settings).baseUrl,
  probeModelOf: (account) => settings.parse(account.settings).probeModel,
});
