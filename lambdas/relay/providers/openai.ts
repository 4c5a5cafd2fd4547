// OpenAI's own API.
import * as z from "zod";
import { openaiProvider } from "./openai-provider.ts";

const idField = z
  .string("Give an id.")
  .trim()
  .regex(/^[\w-]{1,100}$/, "Give the id as OpenAI shows it.")
  .optional();

const settings = z.strictObject({
  organization: idField.meta({ title: "Organisation", description: "org-…, where the key belongs to several." }),
  project: idField.meta({ title: "Project", description: "proj_…, where the key is not a project's own." }),
  usualTier: z.enum(["priority"], 'Give "priority", or leave it out.').optional().meta({
    title: "Project Service Tier",
    description:
      "priority, where the project's settings at OpenAI say Fast or Priority: requests that name no tier are served and billed in it, and so much is reserved for them.",
  }),
});

export const openai = openaiProvider({
  name: "openai",
  settings,
  baseUrlOf: () => "https://api.openai.com",
  probeModelOf: () => undefined,
  refusesToBeAskedForUsage: () => false,
  ownHeaders(account) {
    const { organization, project } = settings.parse(account.settings);
    return {
      ...(organization !== undefined && { "openai-organization": organization }),
      ...(project !== undefined && { "openai-project": project }),
    };
  },
});
