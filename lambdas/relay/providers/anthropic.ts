// Anthropic's own API.
import * as z from "zod";
import { anthropicProvider, authField } from "./anthropic-provider.ts";

export const anthropic = anthropicProvider({
  name: "anthropic",
  settings: z.strictObject({ auth: authField }),
  baseUrlOf: () => "https://api.anthropic.com",
  probeModelOf: () => undefined,
});
