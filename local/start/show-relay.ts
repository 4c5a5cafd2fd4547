// One request through the relay in each protocol, what each was charged, and the lines that point the vendors' CLIs at it.

import { setTimeout as wait } from "node:timers/promises";
import { quoted } from "../../cli/shell-word.ts";
import { setInColumns } from "../../cli/terminal-text.ts";
import type { Stage } from "./follow-workflow.ts";
import type { OpenRelay } from "./prepare-relay.ts";

interface Trial {
  readonly said: string;
  readonly path: string;
  readonly headers: (key: string) => Readonly<Record<string, string>>;
  readonly body: object;
}

const text = "Say hello.";

const trials: readonly Trial[] = [
  {
    said: "Anthropic messages, a stream",
    path: "/v1/messages",
    headers: (key) => ({ "x-api-key": key, "anthropic-version": "2023-06-01" }),
    body: { model: "claude-opus-4-5", max_tokens: 200, stream: true, messages: [{ role: "user", content: text }] },
  },
  {
    said: "OpenAI responses, a stream",
    path: "/v1/responses",
    headers: (key) => ({ authorization: `Bearer ${key}` }),
    body: { model: "gpt-5.5", max_output_tokens: 200, stream: true, input: text },
  },
  {
    said: "Gemini, JSON",
    path: "/v1beta/models/gemini-3.5-flash:generateContent",
    headers: (key) => ({ "x-goog-api-key": key }),
    body: { contents: [{ role: "user", parts: [{ text }] }], generationConfig: { maxOutputTokens: 200 } },
  },
];

/** The record of a request is written when its answer is over. */
const longestWaitMilliseconds = 20_000;

/** True when each was answered and counted. */
export async function showRelay({ screen, cloud }: Stage, relay: OpenRelay): Promise<boolean> {
  const url = cloud.api.urlOf("RelayApi/Api");
  screen.say("");
  screen.say(`AI relay at ${url}, with the accounts ${relay.accounts.join(", ")}:`);
  const rows: string[][] = [];
  for (const trial of trials) rows.push(await attempt(url, trial, relay));
  for (const line of setInColumns([{}, {}, { tooLong: "wrap" }], rows, screen.columns)) screen.say(line);
  screen.say("  point the vendors' own programs at it:");
  for (const line of linesFor(url, relay.keyText, relay.geminiHome)) screen.say(`    ${line}`);
  return rows.every(([, outcome]) => outcome === "200");
}

async function attempt(url: string, { said, path, headers, body }: Trial, relay: OpenRelay): Promise<string[]> {
  const answer = await fetch(`${url}${path}`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers(relay.keyText) },
    body: JSON.stringify(body),
  });
  await answer.arrayBuffer();
  const requestId = answer.headers.get("x-causeway-request-id") ?? "";
  return [`    ${said}`, String(answer.status), await chargeOf(relay, requestId)];
}

async function chargeOf({ client, keyId }: OpenRelay, requestId: string): Promise<string> {
  const until = Date.now() + longestWaitMilliseconds;
  for (;;) {
    const { items } = await client.list("listRelayRecords", "/api/relay/records", { keyId }, 50);
    const record = items.find((each) => each.requestId === requestId);
    if (record !== undefined) {
      if (record.outcome !== "ok") return `${record.outcome}: ${record.reason}`;
      const { inputTokens, outputTokens } = record.usage;
      const charged = (record.chargedNanoUsd / 1e9).toFixed(6);
      return `${record.modelServed}, ${inputTokens} tokens in, ${outputTokens} out, charged $${charged}`;
    }
    if (Date.now() > until) return "its record was not found";
    await wait(200);
  }
}

/** As in the README: each to be pasted into a POSIX shell, and followed by whatever the program itself takes. */
export function linesFor(url: string, key: string, geminiHome: string): readonly string[] {
  const codex = `{name="causeway", base_url="${url}/v1", env_key="CAUSEWAY_KEY", wire_api="responses"}`;
  return [
    `ANTHROPIC_BASE_URL=${url} ANTHROPIC_AUTH_TOKEN=${key} claude`,
    `CAUSEWAY_KEY=${key} codex -c model_provider=causeway -c 'model_providers.causeway=${codex}'`,
    `GEMINI_CLI_HOME=${quoted(geminiHome)} GOOGLE_GEMINI_BASE_URL=${url} GEMINI_API_KEY=${key} gemini`,
  ];
}
