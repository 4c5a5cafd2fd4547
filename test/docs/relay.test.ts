// docs/relay.md against the sources: settings, policies, refusals in each protocol, providers, tiers, algorithms.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { keyPolicySchema } from "../../lambdas/relay/ledger/key-policy.ts";
import { protocols } from "../../lambdas/relay/protocols/index.ts";
import { providers } from "../../lambdas/relay/providers/index.ts";
import { Refusal, type RefusalFacts, type RefusalName, refusalNames } from "../../lambdas/relay/refusal.ts";
import { accountConditionSchema } from "../../lambdas/relay/scheduling/account.ts";
import { relaySettingsSchema } from "../../lambdas/relay/settings.ts";
import { relay } from "../../lib/settings/relay.ts";
import { documentAt, firstCells, root, spansOf, tableOf } from "./documents.ts";

const page = documentAt("docs/relay.md");

describe("settings", () => {
  it("of the running relay are all there, with their defaults", () => {
    const stated = tableOf(page, "Setting").map(([name = "", , standard = ""]) => [
      name.replaceAll("`", ""),
      standard.replaceAll("`", "").replace(/ each$/, ""),
    ]);
    const defaults = Object.entries(relaySettingsSchema.parse({})).map(([name, value]) => [
      name,
      typeof value === "object" ? [...new Set(Object.values(value))].join(", ") : String(value),
    ]);
    expect(stated).toEqual(defaults);
  });

  it("of the stage are all there", () => {
    const stated = tableOf(page, "Setting of the stage").flatMap(([name = ""]) => spansOf(name));
    expect(stated).toEqual(Object.keys(relay.shape).map((name) => `relay.${name}`));
  });

  it("of a key's policy are all there", () => {
    const stated = tableOf(page, "Field of the policy").flatMap(([name = ""]) => spansOf(name));
    expect(stated.sort()).toEqual(Object.keys(keyPolicySchema.shape).sort());
  });
});

describe("refusals", () => {
  const now = Date.parse("2026-11-20T12:00:00Z");
  const soon = { resetAt: now + 30_000 };
  const facts: Partial<Record<RefusalName, RefusalFacts>> = {
    RequestsPerMinute: soon,
    TokensPerMinute: soon,
    AccountsLimited: soon,
    BudgetReached: { resetAt: now + 3_600_000 },
  };
  const inProtocol = {
    anthropic: (error: { type: string }) => error.type,
    openai: (error: { code: string }) => error.code,
    gemini: (error: { status: string }) => error.status,
  } as const;

  it("are all there", () => {
    expect(firstCells(tableOf(page, "Refusal"))).toEqual([...refusalNames]);
  });

  it.each([...refusalNames])("%s is answered in each protocol as the page says", (name) => {
    const [, , ...stated] = tableOf(page, "Refusal").find(([cell]) => cell === `\`${name}\``) ?? [];
    const real = (["anthropic", "openai", "gemini"] as const).map((platform) => {
      const { status, body } = protocols[platform].refuse(new Refusal(name, "No.", facts[name]), "id", now);
      const { error } = JSON.parse(body.toString()) as { error: { type: string; code: string; status: string } };
      return `${status} \`${inProtocol[platform](error)}\``;
    });
    expect(stated).toEqual(real);
  });
});

it("every provider is there, with its own settings", async () => {
  const rows = tableOf(page, "Provider");
  expect(firstCells(rows)).toEqual(Object.keys(providers));
  for (const [index, load] of Object.values(providers).entries()) {
    const { settings } = await load();
    const named = spansOf(rows[index]?.[1] ?? "");
    expect(named).toEqual(expect.arrayContaining(Object.keys(settings.shape)));
  }
});

it("every algorithm is there", () => {
  const { algorithm } = relaySettingsSchema.shape;
  expect(firstCells(tableOf(page, "Algorithm"))).toEqual(algorithm.unwrap().options);
});

it("every state that answers bring an account into is there", () => {
  const states = accountConditionSchema.shape.state.options.filter((state) => state !== "healthy");
  expect(firstCells(tableOf(page, "State")).sort()).toEqual([...states].sort());
});

it("the tiers are those of the code, in its words", () => {
  const source = readFileSync(join(root, "lambdas/relay/scheduling/tiers.ts"), "utf8");
  const inCode = [...source.matchAll(/^\/\/ \| (\d) +\|/gm)].map(([, tier]) => tier);
  const numbers = ["50 %", "5 %", "20 %", "10 s"];
  const tiers = tableOf(page, "Tier");
  expect(tiers.map(([cell = ""]) => cell.charAt(0))).toEqual(inCode);
  for (const number of numbers) {
    expect(source).toContain(number);
    expect(tiers.flat().join(" ")).toContain(number);
  }
});
