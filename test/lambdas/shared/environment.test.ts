// The environment of an entry: all that is wrong with it in one sentence, and never a value.
import { describe, expect, it } from "vitest";
import * as z from "zod";
import * as replication from "../../../lambdas/replication/config.ts";
import { readEnvironment } from "../../../lambdas/shared/environment.ts";

const schema = z.object({
  TABLE: z.string().min(1),
  COUNT: z.string().regex(/^\d+$/).transform(Number),
});

describe("the environment", () => {
  it("is read, with its numbers as numbers, and nothing that was not asked for", () => {
    const environment = { TABLE: "t", COUNT: "7", AWS_SECRET_ACCESS_KEY: "geheim" };
    expect(readEnvironment(schema, environment)).toEqual({ TABLE: "t", COUNT: 7 });
  });

  it("that is wrong is refused with the names of everything wrong, and without a value", () => {
    const read = () => readEnvironment(schema, { COUNT: "geheim" });
    expect(read).toThrowError(expect.objectContaining({ name: "ConfigurationInvalid" }));
    expect(read).toThrowError(/TABLE.*COUNT/);
    expect(read).not.toThrowError(/geheim/);
  });

  it.each(Object.entries(replication))("of the room's entries refuses to be empty: %s", (_, entry) => {
    expect(() => readEnvironment(entry, {})).toThrowError(expect.objectContaining({ name: "ConfigurationInvalid" }));
  });
});
