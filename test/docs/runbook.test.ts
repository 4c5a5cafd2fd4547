// The runbook: every error name, every event that people are told of, every field of a run's input.
import { describe, expect, it } from "vitest";
import { eventFacts, eventNames, recoveries } from "../../lambdas/alerts/event-facts.ts";
import { headingAnchor } from "../../lambdas/alerts/messages/message.ts";
import { comparisonOutcomes } from "../../lambdas/replication/reconcile/counts.ts";
import { runRequestSchema } from "../../lambdas/replication/run-request.ts";
import { retryableByName } from "../../lambdas/shared/errors.ts";
import { anchorsOf, documentAt, firstCells, linksOf, spansOf, tableOf } from "./documents.ts";

const runbook = documentAt("docs/runbook.md");

describe("the error names", () => {
  it("have a row each, and no other has one", () => {
    expect(firstCells(tableOf(runbook, "Name")).sort()).toEqual(Object.keys(retryableByName).sort());
  });

  it("say whether they are tried again", () => {
    for (const [name = "", , triedAgain = ""] of tableOf(runbook, "Name")) {
      const errorName = name.replaceAll("`", "") as keyof typeof retryableByName;
      if (retryableByName[errorName]) expect(triedAgain, errorName).toMatch(/^(passing|yes)/);
      else expect(triedAgain, errorName).not.toMatch(/^(passing|yes)/);
    }
  });
});

describe("the events", () => {
  const rows = tableOf(runbook, "Event");

  it.each(eventNames)("%s leads to a heading that is there", (name) => {
    expect(anchorsOf(runbook)).toContain(headingAnchor(eventFacts[name].runbook));
  });

  it("that people are told of have a row each, with severity and heading", () => {
    const told = eventNames.filter((name) => eventFacts[name].severity !== "info");
    expect(firstCells(rows).sort()).toEqual([...told].sort());
    for (const [cell = "", severity, read = ""] of rows) {
      const facts = eventFacts[cell.replaceAll("`", "") as (typeof eventNames)[number]];
      expect(severity, cell).toBe(facts.severity);
      expect(read, cell).toContain(`(#${headingAnchor(facts.runbook)})`);
    }
  });

  it("that are only information are named as such", () => {
    const [, sentence = ""] = /^(Events that are only information.*)$/m.exec(runbook.prose) ?? [];
    const quiet = eventNames.filter((name) => eventFacts[name].severity === "info");
    expect(spansOf(sentence).sort()).toEqual([...quiet].sort());
  });

  it("say what ends them exactly where something does", () => {
    const ending = Object.values(recoveries).flatMap(({ recovers }) => recovers.map(({ event }) => event));
    const stated = rows.filter(([, , , endsWith]) => endsWith !== "");
    expect(firstCells(stated).sort()).toEqual([...new Set(ending)].sort());
  });
});

describe("the input of a run", () => {
  it("has a row for every field, and for no other", () => {
    expect(firstCells(tableOf(runbook, "Field")).sort()).toEqual(Object.keys(runRequestSchema.shape).sort());
  });

  it("has examples that a run accepts", () => {
    const examples = tableOf(runbook, "Field").map((cells) => cells.at(-1)?.replaceAll("`", "") ?? "");
    expect(examples).not.toHaveLength(0);
    for (const example of examples) expect(runRequestSchema.safeParse(JSON.parse(example)).success, example).toBe(true);
  });
});

it("the outcomes of a comparison are explained, each once", () => {
  const named = tableOf(runbook, "Outcome").flatMap(([cell = ""]) => spansOf(cell));
  expect(named.sort()).toEqual([...comparisonOutcomes].sort());
});

it("the list at the top leads to every heading of an alarm", () => {
  const headings = [...anchorsOf(runbook)].filter((anchor) =>
    /-fails$|letters$|^missed-runs$|^unread|^undelivered|^unclosed/.test(anchor),
  );
  expect(linksOf(runbook)).toEqual(expect.arrayContaining(headings.map((anchor) => `#${anchor}`)));
});
