// The environment of a function is typed by its entry's schema: the compiler is the test, vitest only runs along.

import { describe, expect, expectTypeOf, it } from "vitest";
import * as z from "zod";
import { headingAnchor } from "../../../lib/constructs/failure-alarm.ts";
import type { EntryEnvironment } from "../../../lib/constructs/service-function.ts";

const planCopyEnvironment = z.object({
  TABLE: z.string(),
  PARTS: z.string().transform(Number),
  MODE: z.enum(["a", "b"]),
});
const numberEnvironment = z.object({ PARTS: z.number() });
type RoomConfig = {
  readonly planCopyEnvironment: typeof planCopyEnvironment;
  readonly numberEnvironment: typeof numberEnvironment;
};
type PlanCopy = EntryEnvironment<RoomConfig, "plan-copy">;

describe("the environment of an entry", () => {
  it("is what its schema takes in: text, before any transformation", () => {
    expectTypeOf<PlanCopy>().toEqualTypeOf<{ TABLE: string; PARTS: string; MODE: "a" | "b" }>();
  });

  it("does not compile with a variable forgotten, misspelt or of a wrong value", () => {
    expectTypeOf<{ TABLE: string; MODE: "a" }>().not.toExtend<PlanCopy>();
    expectTypeOf<{ TABLE: string; PART: string; MODE: "a" }>().not.toExtend<PlanCopy>();
    expectTypeOf<{ TABLE: string; PARTS: string; MODE: "c" }>().not.toExtend<PlanCopy>();
    expectTypeOf<{ TABLE: string; PARTS: string; MODE: "a" }>().toExtend<PlanCopy>();
  });

  it("cannot be given for an entry without a schema, or with one that takes no text", () => {
    expectTypeOf<EntryEnvironment<RoomConfig, "other-entry">>().toEqualTypeOf<never>();
    expectTypeOf<EntryEnvironment<RoomConfig, "number">>().toEqualTypeOf<never>();
  });
});

describe("a runbook's anchor", () => {
  it("is made as Markdown viewers make it", () => {
    expect(headingAnchor("copy-batch fails")).toBe("copy-batch-fails");
    expect(headingAnchor("What to do, now?")).toBe("what-to-do-now");
  });
});
