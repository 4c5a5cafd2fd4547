// Nonsense for every route of every room, through the real front: it is refused in the API's envelope, and breaks nothing.
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import * as z from "zod";
import { type Route, roles } from "../../lambdas/shared/routes.ts";
import { allRoutes } from "../../lib/routes.ts";
import { ConsoleRig, metricsToken } from "./console-rig.ts";

/** The same nonsense in every run of the suite; other seeds by CAUSEWAY_FUZZ_SEED, more of it by CAUSEWAY_FUZZ_RUNS. */
const seed = Number(process.env.CAUSEWAY_FUZZ_SEED ?? 1);
const runsPerRoute = Number(process.env.CAUSEWAY_FUZZ_RUNS ?? 15);

let rig: ConsoleRig;
let adminToken: string;
let relayKey: string;

beforeAll(async () => {
  rig = await ConsoleRig.start();
  adminToken = await rig.cloud.signIn.tokenFor("admin");
  ({ key: relayKey } = await rig.relayKey("fuzz"));
});

afterAll(async () => {
  await rig?.close();
});

const oddTexts = [
  "",
  " ",
  "0",
  "-1",
  "1e309",
  "null",
  "__proto__",
  "constructor",
  "..",
  "a/b",
  "%",
  "\u0000",
  "\ud83d\ude80",
  "x".repeat(3000),
];
const someText = fc
  .oneof(fc.constantFrom(...oddTexts), fc.string(), fc.string({ unit: "binary" }))
  .map((text) => text.toWellFormed());

/** Names and enumerated values that the schema knows, so that some of the nonsense comes further than its first check. */
function wordsOf(schema: z.ZodType | undefined): {
  readonly names: readonly string[];
  readonly values: readonly string[];
} {
  if (schema === undefined) return { names: [], values: [] };
  const text = JSON.stringify(z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }));
  const words = [...text.matchAll(/"([^"\\]{1,60})"/g)].map(([, word = ""]) => word);
  return { names: Object.keys("shape" in schema ? (schema.shape as object) : {}), values: words };
}

const valueFrom = (values: readonly string[]) =>
  values.length === 0
    ? someText
    : fc.oneof(someText, fc.constantFrom(...values), fc.integer({ min: -1, max: 101 }).map(String));

function queryOf({ query }: Route): fc.Arbitrary<readonly (readonly [string, string])[]> {
  const { names, values } = wordsOf(query);
  const name =
    names.length === 0
      ? someText
      : fc.oneof({ weight: 4, arbitrary: fc.constantFrom(...names) }, { weight: 1, arbitrary: someText });
  return fc.array(fc.tuple(name, valueFrom(values)), { maxLength: 4 });
}

function bodyOf({ body }: Route): fc.Arbitrary<unknown> {
  const { names, values } = wordsOf(body);
  const anything = fc.oneof(fc.jsonValue(), valueFrom(values), fc.constant([]), fc.constant({}));
  const known = names.length === 0 ? fc.constant({}) : fc.dictionary(fc.constantFrom(...names), anything);
  const asText = fc.oneof(fc.json(), fc.string(), fc.constant("{"), fc.constant("[".repeat(50_000)));
  return fc.oneof(
    { weight: 4, arbitrary: known },
    { weight: 1, arbitrary: asText },
    { weight: 1, arbitrary: anything },
  );
}

const headerText = fc.oneof(
  fc.constantFrom("*", '"1"', 'W/"1"', "text/plain", "application/json"),
  fc.string({ maxLength: 20 }),
);

const headersOf = fc.record(
  { "If-Match": headerText, "If-None-Match": headerText, "Idempotency-Key": headerText, "Content-Type": headerText },
  { requiredKeys: [] },
);

/** What Node's client sends at all. */
const isSendable = (value: string) => /^[\x20-\x7e]*$/.test(value);

function addressOf(route: Route, parts: readonly string[], query: readonly (readonly [string, string])[]): string {
  let part = 0;
  const path = route.path.replace(/\{\w+\}/g, () => {
    const value = parts[part] ?? "x";
    part += 1;
    // Some arrive as they are, broken encodings too; a path must stay one.
    return /^[\w%.~-]+$/.test(value) && value !== ".." && value !== "." ? value : encodeURIComponent(value) || "x";
  });
  const search = new URLSearchParams(query.map(([name, value]) => [name, value])).toString();
  return search === "" ? path : `${path}?${search}`;
}

async function expectCivilAnswer(
  route: Route,
  address: string,
  headers: Record<string, string>,
  body: unknown,
): Promise<void> {
  const needsRole = roles.some((role) => role === route.access);
  const answer = await rig.call(address, {
    method: route.method,
    ...(needsRole && { as: adminToken }),
    headers: {
      ...Object.fromEntries(Object.entries(headers).filter(([, value]) => isSendable(value))),
      ...(route.access === "relay-key" && { "x-api-key": relayKey }),
      ...(route.access === "metrics-token" && { Authorization: `Bearer ${metricsToken}` }),
    },
    ...(route.method !== "GET" && body !== undefined && { body }),
  });
  const shown = `${route.method} ${address} ${JSON.stringify(headers)} ${JSON.stringify(body)} -> ${answer.text.slice(0, 500)}`;
  expect([500, 502, 504], shown).not.toContain(answer.status);
  expect(answer.headers.get("x-request-id"), shown).toBeTruthy();
  if (answer.status < 400) return;
  expect(answer.envelope, shown).toMatchObject({
    code: answer.status,
    message: expect.stringMatching(/\S/),
    data: { name: expect.stringMatching(/^[A-Z]/), fields: expect.any(Array), retryable: expect.any(Boolean) },
  });
  // 503 where something is not there (no Aliyun, no such channel) is an answer; it must say which.
  if (answer.status === 503) expect(answer.envelope.data.name, shown).not.toBe("UnexpectedFailure");
}

describe("nonsense", () => {
  it.each(allRoutes.map((route) => [`${route.method} ${route.path}`, route] as const))(
    "is answered civilly by %s",
    { timeout: 120_000 },
    async (_name, route) => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(someText, { minLength: 2, maxLength: 2 }),
          queryOf(route),
          headersOf,
          bodyOf(route),
          async (parts, query, headers, body) => {
            await expectCivilAnswer(route, addressOf(route, parts, query), headers as Record<string, string>, body);
          },
        ),
        { seed, numRuns: runsPerRoute },
      );
    },
  );
});
