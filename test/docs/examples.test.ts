// What the pages show to be copied works: settings, a rule of alerts, the receiver of a webhook, the routes of the API.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { IncomingHttpHeaders } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { openWebhook } from "../../lambdas/alerts/channels/webhook.ts";
import { ruleBodySchema } from "../../lambdas/alerts/rule-schema.ts";
import { parseStageSettings } from "../../lib/config.ts";
import { allRoutes } from "../../lib/routes.ts";
import { openPlace, toolsFor } from "../lambdas/alerts/channels/channel-stages.ts";
import { plainMessage } from "../lambdas/alerts/sample-messages.ts";
import { documentAt, root, tableOf } from "./documents.ts";

function blocksOf(path: string, language: string): string[] {
  return documentAt(path)
    .codeBlocks.filter((block) => block.language === language)
    .map(({ text }) => text);
}

describe("a stage", () => {
  const local = () => JSON.parse(readFileSync(join(root, "stages/local.json"), "utf8"));
  const examples = ["docs/exports.md", "docs/mirror.md", "docs/alerts.md", "docs/relay.md"].flatMap((path) =>
    blocksOf(path, "json")
      .filter((text) => text.startsWith('"'))
      .map((text) => ({ path, group: JSON.parse(`{${text}}`) as Record<string, object> })),
  );

  it("takes every group of settings that the pages show", () => {
    const shown = examples.flatMap(({ group }) => Object.keys(group));
    expect(shown.sort()).toEqual(["alerts", "exports", "mirror", "relay", "schemas"]);
    for (const { path, group } of examples) {
      const settings = local();
      if (group.alerts !== undefined) settings.alerts = group.alerts;
      if (group.exports !== undefined) settings.replication.exports = group.exports;
      if (group.mirror !== undefined) settings.replication.mirror = group.mirror;
      if (group.relay !== undefined) settings.relay = group.relay;
      if (group.schemas !== undefined) settings.replication.exports.schemas = group.schemas;
      expect(() => parseStageSettings("local", JSON.stringify(settings)), path).not.toThrow();
    }
  });
});

it("the rule that docs/alerts.md shows is one that the API takes", () => {
  const rules = blocksOf("docs/alerts.md", "json").filter((text) => text.startsWith("{"));
  expect(rules).toHaveLength(1);
  for (const rule of rules) expect(ruleBodySchema.safeParse(JSON.parse(rule)).error).toBeUndefined();
});

describe("the receiver of a webhook", () => {
  const folder = mkdtempSync(join(tmpdir(), "causeway-docs-"));
  afterAll(() => rmSync(folder, { recursive: true }));

  it("knows a call of Causeway's from one that was changed, is old, or comes from somebody else", async () => {
    const [source = ""] = blocksOf("docs/alerts.md", "js");
    const file = join(folder, "receiver.mjs");
    writeFileSync(file, source);
    const { isFromCauseway } = (await import(pathToFileURL(file).href)) as {
      isFromCauseway(headers: IncomingHttpHeaders, body: Buffer, secret: string): boolean;
    };
    const secret = "a secret of enough letters";
    const { headers, body } = await received(secret, Date.now());
    expect(isFromCauseway(headers, body, secret)).toBe(true);
    expect(isFromCauseway(headers, body, "another secret altogether")).toBe(false);
    expect(isFromCauseway(headers, Buffer.concat([body, Buffer.from(" ")]), secret)).toBe(false);
    expect(isFromCauseway({}, body, secret)).toBe(false);
    const old = await received(secret, Date.now() - 3_600_000);
    expect(isFromCauseway(old.headers, old.body, secret)).toBe(false);
  });
});

/** What a webhook gets of a message, sent at that time. */
async function received(secret: string, now: number): Promise<{ headers: IncomingHttpHeaders; body: Buffer }> {
  const place = await openPlace({ status: 204 });
  try {
    const tools = { ...toolsFor({ url: place.url, secret }), now: () => now };
    await openWebhook({ name: "pager", type: "webhook" }, tools).send(plainMessage);
    const [call] = place.calls;
    if (call === undefined) throw new Error("nothing arrived");
    return { headers: call.headers, body: Buffer.from(call.body) };
  } finally {
    await place.close();
  }
}

it("docs/api.md lists every route with its role, and no other", () => {
  const words = { public: "anybody", "metrics-token": "token", "relay-key": "client key" } as const;
  const wordOf = (access: string) => (Object.hasOwn(words, access) ? words[access as keyof typeof words] : access);
  const listed = tableOf(documentAt("docs/api.md"), "Route").map(([route = "", role]) => `${route} ${role}`);
  const real = allRoutes.map(({ method, path, access }) => `\`${method} ${path}\` ${wordOf(access)}`);
  expect(listed.sort()).toEqual(real.sort());
});
