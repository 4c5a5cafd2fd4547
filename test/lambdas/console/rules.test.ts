// Console's rules with plain values: claims, schedules, endings, readiness, metrics, settings.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { allow, bearerToken, deny } from "../../../lambdas/console/authorize-request.ts";
import { checkAll } from "../../../lambdas/console/check-readiness.ts";
import { endingOf } from "../../../lambdas/console/close-job.ts";
import { docsPage, docsPolicy, placeDocument } from "../../../lambdas/console/docs-page.ts";
import { listConfig } from "../../../lambdas/console/list-config.ts";
import { readClaims } from "../../../lambdas/console/read-claims.ts";
import { renderMetrics } from "../../../lambdas/console/render-metrics.ts";
import { scheduleSettings } from "../../../lambdas/console/schedule-fields.ts";
import { roles } from "../../../lambdas/shared/routes.ts";
import { schedule } from "../../../lib/settings/fields.ts";

const clients = { people: ["people"], machines: ["machine"] };
const person = { sub: "s", client_id: "people", token_use: "access", username: "chen" };

describe("claims", () => {
  it("of a person give the roles of the groups that are roles", () => {
    expect(readClaims({ ...person, "cognito:groups": ["admin", "others", "viewer"] }, clients, roles)).toEqual({
      subject: "s",
      name: "chen",
      roles: ["viewer", "admin"],
    });
    expect(readClaims(person, clients, roles).roles).toEqual([]);
  });

  it("of a machine give the roles of its scopes, never of groups", () => {
    const machine = { sub: "m", client_id: "machine", token_use: "access", "cognito:groups": ["admin"] };
    expect(readClaims({ ...machine, scope: "causeway/operator others/admin" }, clients, roles)).toEqual({
      subject: "m",
      name: "machine machine",
      roles: ["operator"],
    });
  });

  it.each([
    ["an id token's", { ...person, token_use: "id" }],
    ["another client's", { ...person, client_id: "other" }],
    ["nobody's", { ...person, sub: "" }],
    ["none", undefined],
  ])("that are %s are refused", (_what, claims) => {
    expect(() => readClaims(claims, clients, roles)).toThrow(expect.objectContaining({ name: "Unauthenticated" }));
  });
});

describe("the authorizer's answer", () => {
  it("is about the whole API, so that it can be kept by token", () => {
    const arn = "arn:aws:execute-api:eu-central-1:1:abc/prod/GET/api/jobs/x";
    const resource = "arn:aws:execute-api:eu-central-1:1:abc/prod/*";
    const answer = allow({ subject: "s", name: "n", roles: ["viewer", "admin"] }, arn);
    expect(answer.context).toEqual({ subject: "s", name: "n", roles: "viewer,admin" });
    expect(answer.policyDocument.Statement).toEqual([
      { Action: "execute-api:Invoke", Effect: "Allow", Resource: resource },
    ]);
    expect(deny(arn).policyDocument.Statement).toMatchObject([{ Effect: "Deny", Resource: resource }]);
  });

  it("finds the token whatever the case of its header and scheme, and nothing else", () => {
    expect(bearerToken({ AUTHORIZATION: "bearer a.b-c_d.e" })).toBe("a.b-c_d.e");
    for (const value of ["", "Bearer", "Bearer a b", "Basic a", "Bearer a,Bearer b"]) {
      expect(bearerToken({ Authorization: value })).toBeUndefined();
    }
    expect(bearerToken(null)).toBeUndefined();
  });
});

describe("a schedule over the API", () => {
  const good = [
    "rate(1 minute)",
    "rate(6 hours)",
    "cron(30 3 * * ? *)",
    "cron(0/15 8-18 ? * MON-FRI *)",
    "cron(0 0 L * ? 2027)",
  ];
  it.each(good)("may be %s, as in a stage's settings", (expression) => {
    const value = { enabled: true, expression, timeZone: "Asia/Shanghai" };
    expect([scheduleSettings.safeParse(value).success, schedule.safeParse(value).success]).toEqual([true, true]);
  });

  const bad = [
    ...["", "rate(0 hours)", "rate(1 second)", "cron(30 3 * * ?)", "every day", "at(2026-11-20T00:00:00)"],
    ...["cron(60 3 * * ? *)", "cron(30 24 * * ? *)", "cron(30 3 * * * *)", "cron(30 3 ? * ? *)", "cron(30 3 32 * ? *)"],
    ...[
      "cron(30 3 ? * NOD *)",
      "cron(30 3 * 13 ? *)",
      "cron(30 3 * * ? 1969)",
      "cron(1-2-3 3 * * ? *)",
      "cron(1/0 3 * * ? *)",
    ],
  ];
  it.each(bad)("may not be %j", (expression) => {
    expect(scheduleSettings.safeParse({ enabled: true, expression, timeZone: "UTC" }).success).toBe(false);
  });

  it("takes nothing that a stage's settings do not take", () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (expression, timeZone) => {
        const value = { enabled: true, expression, timeZone };
        if (scheduleSettings.safeParse(value).success) expect(schedule.safeParse(value).success).toBe(true);
      }),
    );
  });

  it.each(["+08:00", "Mars/Olympus", "", "Asia/Shanghai "])("has no time zone %j", (timeZone) => {
    expect(scheduleSettings.safeParse({ enabled: true, expression: "rate(1 hour)", timeZone }).success).toBe(false);
  });
});

describe("an execution that ended unsaid", () => {
  it.each([
    ["ABORTED", "cancelled"],
    ["TIMED_OUT", "failed"],
    ["FAILED", "failed"],
  ] as const)("%s leaves its job %s, with a sentence", (status, state) => {
    const ending = endingOf({ status, error: null, cause: null }, "2026-11-20T00:00:00.000Z");
    expect(ending).toMatchObject({
      state,
      sentence: expect.stringMatching(/\.$/),
      finishedAt: "2026-11-20T00:00:00.000Z",
    });
  });

  it("keeps the beginning of a long cause", () => {
    const ending = endingOf({ status: "FAILED", error: "E", cause: "x".repeat(30_000) }, "t");
    expect(ending.error?.cause).toHaveLength(1000);
  });
});

describe("readiness", () => {
  const probe = (name: string, look: () => Promise<void>) => ({ name, isRequired: true, look });

  it("waits for nothing longer than its time, and looks at all at once", async () => {
    const controllers: AbortController[] = [];
    const signalAfter = () => {
      const controller = new AbortController();
      controllers.push(controller);
      return controller.signal;
    };
    const checks = checkAll(
      [
        probe("well", async () => {}),
        probe("hangs", () => new Promise(() => {})),
        probe("hangs, too", () => new Promise(() => {})),
      ],
      { now: () => 0, signalAfter },
    );
    expect(controllers).toHaveLength(3);
    for (const controller of controllers) controller.abort();
    expect((await checks).map(({ name, state }) => [name, state])).toEqual([
      ["well", "ok"],
      ["hangs", "failed"],
      ["hangs, too", "failed"],
    ]);
  });

  it("says what is wrong without AWS's words", async () => {
    const refused = Object.assign(new Error("User: arn:aws:sts::123456789012 is not authorized"), {
      name: "AccessDeniedException",
    });
    const timing = { now: () => 0, signalAfter: () => new AbortController().signal };
    const [check] = await checkAll([probe("secret x", () => Promise.reject(refused))], timing);
    expect(check).toMatchObject({ state: "failed", problem: "is not there, or may not be looked at" });
  });
});

describe("the metrics' text", () => {
  it("is OpenMetrics, escaped, and ends as it must", () => {
    const text = renderMetrics([
      {
        name: "a_seconds",
        unit: "seconds",
        help: 'Says "a"\nand \\',
        samples: [{ labels: { l: 'x"\n\\' }, value: 1.5 }],
      },
      { name: "b", help: "left out", samples: [] },
    ]);
    expect(text).toBe(
      '# TYPE a_seconds gauge\n# UNIT a_seconds seconds\n# HELP a_seconds Says \\"a\\"\\nand \\\\\na_seconds{l="x\\"\\n\\\\"} 1.5\n# EOF\n',
    );
  });
});

describe("the settings", () => {
  const values = [
    { path: "aliyun.endpoint", value: "rds.aliyuncs.com", source: "default" },
    { path: "somewhere.webhookUrl", value: "https://key", source: "stages/x.json" },
    { path: "replication.keyPrefix", value: "", source: "default" },
  ];

  it("say where each comes from, and hide what looks like a secret", () => {
    expect(listConfig(values, { "aliyun.endpoint": "127.0.0.1:1" }, [])).toEqual([
      { path: "aliyun.endpoint", value: "127.0.0.1:1", source: "parameter" },
      { path: "somewhere.webhookUrl", value: "(hidden)", source: "stages/x.json" },
      { path: "replication.keyPrefix", value: "", source: "default" },
    ]);
    expect(listConfig(values, { "aliyun.endpoint": "rds.aliyuncs.com" }, [])[0]?.source).toBe("default");
  });

  it("show a schedule that was changed over the API", () => {
    const settings = { enabled: false, expression: "rate(1 hour)", timeZone: "UTC" };
    const wanted = { ...settings, at: "t", by: "chen", version: 1 };
    const view = { name: "copies", description: "d", ...settings, etag: '"1"' };
    const sourceOf = (more: object) => listConfig([], {}, [{ ...view, isAsWanted: true, ...more }])[0]?.source;
    expect([sourceOf({ wanted }), sourceOf({}), sourceOf({ wanted, isAsWanted: false })]).toEqual([
      "changed over the API",
      "deployment",
      "deployment",
    ]);
  });
});

describe("the page of the documents", () => {
  it("lets nothing out of its attributes, and runs scripts of its own files alone", () => {
    const page = docsPage({ addressPrefix: '/x"><script>', clientId: "<b>" });
    expect(page).not.toContain("<b>");
    expect(page).not.toContain('"><script>');
    expect(docsPolicy("https://sign.in/base")).toMatch(/script-src 'self';.*connect-src 'self' https:\/\/sign\.in;/);
  });

  it("puts the deployment's addresses into the document", () => {
    const placed = placeDocument(
      '["https://a.example/x","https://b.example"]',
      { signInUrl: "https://a.example", serverUrl: "https://b.example" },
      { signInUrl: "http://127.0.0.1:1", addressPrefix: "" },
    );
    expect(JSON.parse(placed)).toEqual(["http://127.0.0.1:1/x", "/"]);
  });
});
