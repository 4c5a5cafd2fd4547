// The pure rules: which errors a guard matches, how items become batches, what an expression mark is.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { expressionIn } from "../../../local/step-functions/expressions.ts";
import { ItemBatch } from "../../../local/step-functions/item-batcher.ts";
import { matchesError } from "../../../local/step-functions/retry.ts";

test.each([
  ["States.ALL", "Any.Thing", true],
  ["States.ALL", "States.Timeout", true],
  ["States.ALL", "States.DataLimitExceeded", false],
  ["States.ALL", "States.Runtime", false],
  ["States.TaskFailed", "Any.Thing", true],
  ["States.TaskFailed", "States.Timeout", false],
  ["States.TaskFailed", "States.DataLimitExceeded", false],
  ["States.DataLimitExceeded", "States.DataLimitExceeded", true],
  ["States.Runtime", "States.Runtime", false],
  ["Any.Thing", "Any.Thing", true],
  ["Any", "Any.Thing", false],
])("%s against %s: %s", (wanted, errorName, expected) => {
  expect(matchesError([wanted], errorName)).toBe(expected);
});

test("only a string that begins and ends with the marks is an expression", () => {
  expect(expressionIn("{% $a %}")).toBe("$a");
  expect(expressionIn("{%$a%}")).toBe("$a");
  for (const text of [" {% $a %}", "{% $a %} ", "{%}", "$a", "{ % $a % }"]) expect(expressionIn(text)).toBeUndefined();
});

describe("batches", () => {
  test("keep every item in order, hold their limits, and are as full as they can be", () => {
    const item = fc.oneof(
      fc.string({ unit: "binary", maxLength: 40 }),
      fc.integer(),
      fc.dictionary(fc.string(), fc.nat()),
    );
    fc.assert(
      fc.property(
        fc.array(item.filter((value) => Buffer.byteLength(JSON.stringify(value)) < 150)),
        fc.integer({ min: 1, max: 7 }),
        fc.integer({ min: 200, max: 400 }),
        fc.option(fc.string({ maxLength: 5 }), { nil: undefined }),
        (items, maxItems, maxInputBytes, input) => {
          const batchInputText = input === undefined ? undefined : JSON.stringify(input);
          const batch = new ItemBatch({ maxItems, maxInputBytes, batchInputText });
          const closed = [...items.map((value) => batch.add(value)), batch.take()].filter((made) => made !== undefined);
          const contents = closed.map(({ text }) => JSON.parse(text) as { Items: unknown[]; BatchInput?: unknown });
          expect(contents.flatMap(({ Items }) => Items)).toEqual(JSON.parse(JSON.stringify(items)));
          for (const [index, { text, itemCount }] of closed.entries()) {
            expect(Buffer.byteLength(text)).toBeLessThanOrEqual(maxInputBytes);
            expect(contents[index]?.Items).toHaveLength(itemCount);
            expect(contents[index]?.BatchInput).toEqual(input);
            expect(itemCount).toBeLessThanOrEqual(maxItems);
            const [following] = contents[index + 1]?.Items ?? [];
            if (following === undefined || itemCount === maxItems) continue;
            expect(Buffer.byteLength(text) + 1 + Buffer.byteLength(JSON.stringify(following))).toBeGreaterThan(
              maxInputBytes,
            );
          }
        },
      ),
    );
  });
});
