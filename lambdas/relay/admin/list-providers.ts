// Providers as forms need them: what each asks for, as JSON Schemas from the very schemas that check it.
import * as z from "zod";
import type { Provider } from "../providers/provider.ts";
import type { ProviderView } from "./account-answers.ts";

export function providerViewOf({ name, platform, settings, credential }: Provider): ProviderView {
  return { provider: name, platform, settings: jsonSchemaOf(settings), credential: jsonSchemaOf(credential) };
}

function jsonSchemaOf(schema: z.ZodObject): Record<string, unknown> {
  const { $schema: _dialect, ...rest } = z.toJSONSchema(schema, { io: "input", unrepresentable: "any" });
  return rest;
}
