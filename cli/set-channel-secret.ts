// `causeway secrets set alerts/<channel>`: the address of a WeCom robot or webhook goes to Secrets Manager and nowhere else.
import * as z from "zod";
import { readJsonInput, storeSecret, withPrompt } from "./set-secret.ts";
import { readChannels } from "./stage-files.ts";
import { UsageProblem } from "./usage-problem.ts";

const channelPattern = /^alerts\/([a-z][a-z0-9-]{0,30})$/;

const url = z.url({ protocol: /^https?$/ });
const schemas = {
  wecom: z.strictObject({ url }),
  webhook: z.strictObject({ url, secret: z.string().min(16) }),
} as const;

const forms = {
  wecom: 'Give {"url": "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=…"}, or set CAUSEWAY_CHANNEL_URL.',
  webhook:
    'Give {"url": "https://…", "secret": "16 letters or more"}, or set CAUSEWAY_CHANNEL_URL and CAUSEWAY_CHANNEL_SECRET.',
} as const;

/** `name`: `alerts/<channel>`. Throws UsageProblem; nothing of what was given is in it. */
export async function setChannelSecret(name: string, { stage }: { stage: string }): Promise<void> {
  const channel = channelPattern.exec(name)?.[1] ?? "";
  const type = typeOf(channel, stage);
  const parsed = schemas[type].safeParse(await readAddress(type));
  if (!parsed.success) {
    // An unknown field's name may be the key itself: only the fields that must be are told.
    throw new UsageProblem(`That is no address of a ${type} channel. ${forms[type]}`);
  }
  await storeSecret(
    `/${stage}/alerts/${channel}`,
    parsed.data,
    `Where Causeway's alerts go through the channel ${channel}`,
  );
}

function typeOf(channel: string, stage: string): keyof typeof schemas {
  const channels = readChannels(stage);
  const type = channels.find(({ name }) => name === channel)?.type;
  if (type === "wecom" || type === "webhook") return type;
  const named = channels.filter((each) => each.type in schemas).map((each) => `alerts/${each.name}`);
  const known = named.length === 0 ? "none" : named.join(", ");
  throw new UsageProblem(`The stage ${stage} has no channel of this name that needs an address; it has: ${known}.`);
}

async function readAddress(type: keyof typeof schemas): Promise<unknown> {
  const { CAUSEWAY_CHANNEL_URL, CAUSEWAY_CHANNEL_SECRET } = process.env;
  if (CAUSEWAY_CHANNEL_URL) {
    return { url: CAUSEWAY_CHANNEL_URL, ...(type === "webhook" && { secret: CAUSEWAY_CHANNEL_SECRET }) };
  }
  if (!process.stdin.isTTY) return readJsonInput(forms[type]);
  return withPrompt(async (ask) => {
    const address = await ask("Address (not shown): ", true);
    if (type === "wecom") return { url: address };
    return { url: address, secret: await ask("Key for the signature, 16 letters or more (not shown): ", true) };
  });
}
