// A stage for each channel: where its messages arrive, and how that place can be made to fail. Real servers, real clients.
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Channel, ChannelTools } from "../../../../lambdas/alerts/channels/channel.ts";
import { channels } from "../../../../lambdas/alerts/channels/index.ts";
import { openOutbox } from "../../../../local/ses/outbox.ts";
import { createSesService } from "../../../../local/ses/ses.ts";
import { startServiceRig } from "../../../local/service-rig.ts";
import { pointSdkAt } from "../../replication/point-sdk-at.ts";
import { type CapturedOutput, captureOutput } from "../../shared/captured-output.ts";

export type Trouble = "unavailable" | "throttled" | "refused";

export interface ChannelStage extends AsyncDisposable {
  readonly channel: Channel;
  /** What a person or program got to see, newest last. */
  received(): readonly string[];
  /** The next message meets it. Absent: the channel cannot fail. */
  readonly fail?: (trouble: Trouble) => void;
  /** Of the newest: what the receiver's program interprets, such as markup, and what harm in it looks like. Absent: texts are data there. */
  readonly interpreted?: () => string;
  readonly harm?: RegExp;
  /** What must not be in any log, answer or error. */
  readonly secrets: readonly string[];
  /** In bytes, of what `received` gives. */
  readonly mostBytes: number;
}

export interface Answer {
  readonly status: number;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface HttpPlace {
  readonly url: string;
  readonly calls: { readonly headers: IncomingHttpHeaders; readonly body: string }[];
  /** The next calls are answered so, one after the other; then as usual. */
  readonly next: (Answer | "reset" | "silence")[];
  close(): Promise<void>;
}

export async function openPlace(usual: Answer): Promise<HttpPlace> {
  const calls: HttpPlace["calls"] = [];
  const next: HttpPlace["next"] = [];
  const server: Server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const answer = next.shift() ?? usual;
      if (answer === "silence") return;
      if (answer === "reset") return void request.socket.destroy();
      calls.push({ headers: request.headers, body: Buffer.concat(chunks).toString("utf8") });
      response.writeHead(answer.status, answer.headers).end(answer.body ?? "");
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls,
    next,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

export function toolsFor(address: { url: string; secret?: string }, changes: Partial<ChannelTools> = {}): ChannelTools {
  return {
    readAddress: async () => address,
    forgetAddress: () => undefined,
    allowLoopback: true,
    now: () => Date.parse("2026-11-20T10:00:00.000Z"),
    ...changes,
  };
}

const robotKey = "693axxx6-7aoc-4bc4-97a0-0ec2sifa5aaa";

export function robotSays(errcode: number, errmsg: string): Answer {
  return { status: 200, body: JSON.stringify({ errcode, errmsg }) };
}

async function wecomStage(format: "markdown" | "text"): Promise<ChannelStage> {
  const place = await openPlace(robotSays(0, "ok"));
  const url = `${place.url}/cgi-bin/webhook/send?key=${robotKey}`;
  const answers = {
    unavailable: { status: 502, body: "<html>Bad Gateway</html>" },
    throttled: robotSays(45009, "api freq out of limit, hint: [1], from ip: 1.2.3.4"),
    refused: robotSays(93000, `invalid webhook url, ${url}`),
  } as const;
  return {
    channel: channels.wecom({ name: "wecom", type: "wecom", format }, toolsFor({ url })),
    received: () =>
      place.calls.map(({ body }) => (JSON.parse(body) as Record<string, { content: string }>)[format]?.content ?? ""),
    fail: (trouble) => void place.next.push(answers[trouble]),
    secrets: [robotKey],
    harm: /<@all>|\]\(https:\/\/evil|<font color=\\?"info\\?">fine/,
    interpreted: () => place.calls.at(-1)?.body.replaceAll("\\n", "\n") ?? "",
    mostBytes: format === "markdown" ? 4096 : 2048,
    [Symbol.asyncDispose]: () => place.close(),
  };
}

async function webhookStage(): Promise<ChannelStage> {
  const place = await openPlace({ status: 200, body: "thanks" });
  const address = { url: `${place.url}/hooks/a-secret-path`, secret: "0123456789abcdef-signing" };
  const answers = {
    unavailable: { status: 503, body: "down" },
    throttled: { status: 429, body: "slow down", headers: { "retry-after": "120" } },
    refused: { status: 410, body: `gone: ${address.url}` },
  } as const;
  return {
    channel: channels.webhook({ name: "hook", type: "webhook" }, toolsFor(address)),
    received: () => place.calls.map(({ body }) => body),
    fail: (trouble) => void place.next.push(answers[trouble]),
    secrets: ["a-secret-path", address.secret],
    mostBytes: 1_000_000,
    [Symbol.asyncDispose]: () => place.close(),
  };
}

async function emailStage(): Promise<ChannelStage> {
  const folder = mkdtempSync(join(tmpdir(), "causeway-mail-"));
  const outbox = openOutbox(folder);
  const rig = await startServiceRig((context) => {
    const ses = createSesService(context, outbox);
    ses.verify("causeway@example.com");
    return { ses };
  });
  pointSdkAt(rig.url);
  const effects = {
    unavailable: { kind: "error", status: 503, code: "ServiceUnavailable" },
    throttled: { kind: "throttle" },
    refused: { kind: "error", status: 400, code: "MessageRejected" },
  } as const;
  return {
    channel: channels.email({
      name: "mail",
      type: "email",
      from: "causeway@example.com",
      to: ["operations@example.com"],
    }),
    received: () => outbox.list().map(({ subject, text = "", html = "" }) => `${subject}\n\n${text}\n\n${html}`),
    // The SDK itself tries three times, unless it is refused.
    fail: (trouble) =>
      rig.faults.add({ service: "ses", times: trouble === "refused" ? 1 : 3, effect: effects[trouble] }),
    harm: /<script|<font|\r|^Bcc:/m,
    // A subject is one line, and no HTML.
    interpreted: () =>
      outbox
        .list()
        .map(({ subject, html }) => `${subject.replaceAll("<", "")}\n${html}`)
        .at(-1) ?? "",
    secrets: [],
    mostBytes: 300_000,
    async [Symbol.asyncDispose]() {
      await rig.close();
      rmSync(folder, { recursive: true });
    },
  };
}

async function consoleStage(): Promise<ChannelStage> {
  const output: CapturedOutput = captureOutput();
  return {
    channel: channels.console({ name: "log", type: "console" }),
    received: () =>
      output
        .lines()
        .filter(({ message }) => message === "alert")
        .map((line) => JSON.stringify(line)),
    secrets: [],
    mostBytes: 130_000,
    [Symbol.asyncDispose]: async () => undefined,
  };
}

/** By the registry's key; a channel may have several forms. */
export const stages: Readonly<Record<string, Readonly<Record<string, () => Promise<ChannelStage>>>>> = {
  wecom: { "as markdown": () => wecomStage("markdown"), "as text": () => wecomStage("text") },
  webhook: { "": webhookStage },
  email: { "": emailStage },
  console: { "": consoleStage },
};
