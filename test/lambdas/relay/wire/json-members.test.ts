// Tests of where members lie in the bytes of JSON.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { membersOf, withoutMember } from "../../../../lambdas/relay/wire/json-members.ts";

const spaces = fc.constantFrom("", " ", "\n  ", "\t");

describe("members of JSON", () => {
  test("lie where they are said to lie, for any object and any white space", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), spaces, (object, space) => {
        const json = Buffer.from(JSON.stringify(object, null, space));
        const members = membersOf(json);
        const read = members.map(({ name, valueStart, valueEnd }) => [
          name,
          JSON.parse(json.toString("utf8", valueStart, valueEnd)),
        ]);
        expect(read).toEqual(Object.entries(JSON.parse(json.toString())));
      }),
      { numRuns: 500 },
    );
  });

  test("are taken out with one comma", () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string({ minLength: 1 }), fc.jsonValue(), { minKeys: 1 }),
        fc.nat(),
        spaces,
        (object, pick, space) => {
          const json = Buffer.from(JSON.stringify(object, null, space));
          const members = membersOf(json);
          const member = members[pick % members.length];
          if (member === undefined) return;
          const { [member.name]: _, ...others } = JSON.parse(json.toString());
          expect(JSON.parse(withoutMember(json, members, member).toString())).toEqual(others);
        },
      ),
    );
  });

  test("are found twice where they stand twice, also with escapes", () => {
    expect(membersOf(Buffer.from('{"model":"a","mod\\u0065l":"b"}')).map(({ name }) => name)).toEqual([
      "model",
      "model",
    ]);
  });

  test("of what is no object are none", () => {
    for (const text of ["[1]", '"x"', "7", "", "{}"]) expect(membersOf(Buffer.from(text))).toEqual([]);
  });
});
