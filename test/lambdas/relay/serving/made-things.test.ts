// Ids that an answer makes: bound once, when they are first told, and again only where that failed.
import { expect, it } from "vitest";
import { bindingOnce, MadeThings } from "../../../../lambdas/relay/serving/made-things.ts";
import type { Bindings } from "../../../../lambdas/relay/serving/ports.ts";

function stage(failing = 0) {
  const bound: string[] = [];
  let failures = failing;
  const bindings = {
    bindThings: async (_keyId: string, ids: readonly string[]) => {
      if (failures > 0) {
        failures -= 1;
        throw new Error("DynamoDB is away");
      }
      bound.push(...ids);
    },
  } as unknown as Bindings;
  return { bound, once: bindingOnce(bindings) };
}

it("each is bound once, whoever tells of it", async () => {
  const { bound, once } = stage();
  await once.bindThings("k", ["a"], "acc", 0);
  await once.bindThings("k", ["a", "b"], "acc", 0);
  await once.bindThings("k", ["b", "a"], "acc", 0);
  expect(bound).toEqual(["a", "b"]);
});

it("one that could not be bound is tried again, and whoever waits hears of it", async () => {
  const { bound, once } = stage(1);
  await expect(once.bindThings("k", ["a"], "acc", 0)).rejects.toThrow("away");
  await once.bindThings("k", ["a"], "acc", 0);
  expect(bound).toEqual(["a"]);
});

it("they are bound as soon as they are told, and waited for at the answer's end alone", async () => {
  const { bound, once } = stage();
  const made = new MadeThings((ids) => once.bindThings("k", ids, "acc", 0));
  expect(made.before({ madeIds: [], isComplete: false })).toBeUndefined();
  expect(made.before({ madeIds: ["a"], isComplete: false })).toBeUndefined();
  expect(bound).toEqual(["a"]);
  await made.before({ madeIds: ["a", "b"], isComplete: true });
  expect(bound).toEqual(["a", "b"]);
  expect(new MadeThings(async () => undefined).before({ madeIds: [], isComplete: true })).toBeUndefined();
});
