// Anthropic's own API.
import * as z from "zod";
import { anthropicProvider, authField } from "./anthropic-provider.ts";

const settings = z.strictObject({
  auth: authField,
  usualTier: z.enum(["geo-us"], 'Give "geo-us", or leave it out.').optional().meta({
    title: "Default inference geo",
    description:
      "geo-us, where the workspace's settings at Anthropic say us: requests that name no region are served and billed there, and so much is reserved for them.",
  }),
});

export const anthropic = anthropicProvider({
  name: "anthropic",
  settings,
  baseUrlOf: () => "https://api.anthropic.com",
  probeModelOf: () => undefined,
});
