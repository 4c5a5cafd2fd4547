// Registry of channels: the key is the type in the stage's settings.
import type { Channel, ChannelSettings, ChannelTools } from "./channel.ts";
import { openConsole } from "./console.ts";
import { openEmail } from "./email.ts";
import { openWebhook } from "./webhook.ts";
import { openWecom } from "./wecom.ts";

export const channels = {
  wecom: openWecom,
  webhook: openWebhook,
  email: openEmail,
  console: openConsole,
} as const satisfies Record<string, (settings: ChannelSettings, tools: ChannelTools) => Channel>;
