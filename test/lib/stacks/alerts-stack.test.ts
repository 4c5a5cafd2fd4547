// The alerts stack: who may do what, whose silence is watched, and who is told when nobody can be told.
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { Match, Template } from "aws-cdk-lib/assertions";
import { describe, expect, it } from "vitest";
import type * as z from "zod";
import * as environments from "../../../lambdas/alerts/config.ts";
import { eventFacts, eventNames } from "../../../lambdas/alerts/event-facts.ts";
import { routes } from "../../../lambdas/alerts/routes.ts";
import { eventSchemas } from "../../../lambdas/shared/events.ts";
import { parseStageSettings, SettingsError } from "../../../lib/config.ts";
import { headingAnchor } from "../../../lib/constructs/failure-alarm.ts";
import { identitiesOf } from "../../../lib/stacks/alerts-functions.ts";
import { actionsOf, statementsOf, withApp } from "./template.ts";

const { alerts, others } = withApp("prod", (app) => {
  const assembly = app.synth();
  // The console's stack stands behind this one, for its API calls our functions; its queue has an alarm of its own.
  const templates = ["data", "replication", "relay", "alerts"].map((room) =>
    Template.fromJSON(assembly.getStackByName(`causeway-prod-${room}`).template),
  );
  const own = Template.fromJSON(assembly.getStackByName("causeway-prod-alerts").template);
  return { alerts: own, others: templates };
});

const functionIds = ["CheckSilence", "DeliverAlerts", "EvaluateEvents", "SendTestAlert", "ServeAlertsApi"];

function functionOf(constructId: string) {
  const found = Object.entries(alerts.findResources("AWS::Lambda::Function")).find(([id]) =>
    id.startsWith(`${constructId}Function`),
  );
  if (found === undefined) throw new Error(`there is no function ${constructId}`);
  return { id: found[0], variables: found[1].Properties.Environment.Variables as Record<string, unknown> };
}

/** A variable's text, with what CloudFormation fills in left as it stands in the template. */
function textOf(value: unknown): string {
  if (typeof value === "string") return value;
  const { "Fn::Join": join, Ref } = value as { "Fn::Join"?: [string, unknown[]]; Ref?: string };
  if (join !== undefined) return join[1].map(textOf).join(join[0]);
  return Ref === "PublicUrl" ? "" : JSON.stringify(value).replaceAll('"', "'");
}

describe("a function of alerts", () => {
  it("is one of five, each with a role of its own", () => {
    const functions = Object.values(alerts.findResources("AWS::Lambda::Function"));
    expect(functions).toHaveLength(functionIds.length);
    expect(new Set(functions.map(({ Properties }) => JSON.stringify(Properties.Role))).size).toBe(functionIds.length);
  });

  it.each(functionIds)(
    "is given an environment that its own schema accepts, within Lambda's four kilobytes: %s",
    (constructId) => {
      const { variables } = functionOf(constructId);
      const resolved = Object.fromEntries(Object.entries(variables).map(([name, value]) => [name, textOf(value)]));
      const schema = (environments as Record<string, z.ZodType>)[
        `${constructId[0]?.toLowerCase()}${constructId.slice(1)}Environment`
      ];
      expect(schema?.safeParse(resolved).error?.issues).toBeUndefined();
      expect(schema).toBeDefined();
      expect(Buffer.byteLength(JSON.stringify(resolved))).toBeLessThan(4_096);
    },
  );

  it.each(functionIds)(
    "deletes nothing outside of its own table, and has no wildcard among its actions: %s",
    (constructId) => {
      const actions = actionsOf(alerts, constructId);
      // A queue's message is deleted once it was dealt with.
      expect(actions.filter((action) => /Delete|Remove|\*/.test(action) && action !== "sqs:DeleteMessage")).toEqual([]);
      const boundless = statementsOf(alerts, constructId).filter(({ resources }) => resources.includes("*"));
      expect(boundless.flatMap(({ actions: wide }) => wide).sort()).toEqual([
        "xray:PutTelemetryRecords",
        "xray:PutTraceSegments",
      ]);
    },
  );

  it("reads a channel's address, by its path, only where it sends messages", () => {
    const readers = functionIds.filter((id) => actionsOf(alerts, id).includes("secretsmanager:GetSecretValue"));
    expect(readers).toEqual(["DeliverAlerts", "SendTestAlert"]);
    for (const reader of readers) {
      const statements = statementsOf(alerts, reader);
      expect(statements.filter(({ actions }) => actions.includes("secretsmanager:GetSecretValue"))).toEqual([
        {
          actions: ["secretsmanager:GetSecretValue"],
          resources: ["arn:aws:secretsmanager:ap-southeast-1:222222222222:secret:/prod/alerts/wecom-*"],
        },
      ]);
      const mailing = statements.filter(({ actions }) => actions.includes("ses:SendEmail"));
      expect(mailing.flatMap(({ resources }) => resources).sort()).toEqual([
        "arn:aws:ses:ap-southeast-1:222222222222:configuration-set/*",
        "arn:aws:ses:ap-southeast-1:222222222222:identity/causeway@example.com",
        "arn:aws:ses:ap-southeast-1:222222222222:identity/example.com",
      ]);
    }
    expect(functionIds.filter((id) => actionsOf(alerts, id).includes("ses:SendEmail"))).toEqual(readers);
  });

  it("may send as its sender however that one was verified: by address, domain, or a domain above", () => {
    const identities = ["alerts@mail.example.com", "mail.example.com", "example.com"];
    expect(identitiesOf("alerts@mail.example.com")).toEqual(identities);
  });

  it("may call loopback addresses in no stage but the laptop's", () => {
    for (const id of ["DeliverAlerts", "SendTestAlert"]) expect(functionOf(id).variables.ALLOW_LOOPBACK).toBe("false");
  });

  it("answers every route, with the table of its audit", () => {
    expect(new Set(routes.map(({ entry }) => entry))).toEqual(new Set(["serve-alerts-api", "send-test-alert"]));
    for (const id of ["ServeAlertsApi", "SendTestAlert"])
      expect(functionOf(id).variables).toHaveProperty("AUDIT_TABLE");
  });
});

describe("events", () => {
  it("all come into a queue, and those that cannot be counted are kept and told of", () => {
    alerts.hasResourceProperties("AWS::Events::Rule", {
      EventPattern: { source: [{ prefix: "causeway." }] },
      Targets: [Match.objectLike({ DeadLetterConfig: Match.anyValue() })],
    });
    alerts.hasResourceProperties("AWS::SQS::Queue", { RedrivePolicy: Match.objectLike({ maxReceiveCount: 8 }) });
    const mappings = Object.values(alerts.findResources("AWS::Lambda::EventSourceMapping"));
    // A wake-up says nothing that could fail by itself.
    expect(mappings.map(({ Properties }) => Properties.FunctionResponseTypes)).toEqual([
      ["ReportBatchItemFailures"],
      undefined,
    ]);
  });

  it("all have facts, and all facts are of events", () => {
    expect([...eventNames].sort()).toEqual(Object.keys(eventSchemas).sort());
  });
});

describe("the check for silence", () => {
  it("watches every dead-letter queue of the app but the one that has nobody left to tell", () => {
    const watched = (JSON.parse(textOf(functionOf("CheckSilence").variables.QUEUES)) as { holds: string }[]).map(
      ({ holds }) => holds,
    );
    expect(watched).toEqual(
      expect.arrayContaining([
        "alarms that no mail server took",
        "scheduled runs that could not be started",
        "events that could not be counted",
        "checks and deliveries that could not be called",
      ]),
    );
    const kept = others.flatMap((template) =>
      Object.entries(
        template.findResources("AWS::SQS::Queue", { Properties: { MessageRetentionPeriod: 1_209_600 } }),
      ).filter(([, { Properties }]) => Properties.RedrivePolicy === undefined),
    );
    // The undelivered alerts are not watched: their own alarm goes by mail.
    expect(watched).toHaveLength(kept.length - 1);
    expect(watched).not.toContain("alerts that no channel took");
  });

  it("watches the schedules whose functions tell of their runs, as they are at that time", () => {
    const names = JSON.parse(textOf(functionOf("CheckSilence").variables.SCHEDULES)) as string[];
    expect(names).toContain("causeway-prod-replicate-backups");
    expect(names.some((name) => /alerts|silence/.test(name))).toBe(false);
    const asks = statementsOf(alerts, "CheckSilence").find(({ actions }) => actions.includes("scheduler:GetSchedule"));
    expect(asks?.resources).toEqual(
      [...names].sort().map((name) => `arn:aws:scheduler:ap-southeast-1:222222222222:schedule/default/${name}`),
    );
  });

  it("runs every quarter of an hour, and deliveries every minute", () => {
    const schedules = Object.values(alerts.findResources("AWS::Scheduler::Schedule")).map(
      ({ Properties }) => Properties,
    );
    expect(schedules.map(({ Name, ScheduleExpression, State }) => [Name, ScheduleExpression, State])).toEqual([
      ["causeway-prod-deliver-alerts", "rate(1 minute)", "ENABLED"],
      ["causeway-prod-check-silence", "rate(15 minutes)", "ENABLED"],
    ]);
  });
});

describe("an alarm", () => {
  const alarms = Object.values(alerts.findResources("AWS::CloudWatch::Alarm")).map(({ Properties }) => Properties);

  it("watches every function, and the two queues of what came to nothing", () => {
    const titles = alarms.map(({ AlarmDescription }) => String(AlarmDescription).split(":")[0]).sort();
    expect(titles).toEqual([
      "Undelivered alerts",
      "Unread events",
      "check-silence fails",
      "deliver-alerts fails",
      "evaluate-events fails",
      "send-test-alert fails",
      "serve-alerts-api fails",
    ]);
  });

  it("says what breaks, names its heading of the runbook, and goes to the topic of alarms", () => {
    for (const { AlarmDescription, AlarmActions } of alarms) {
      expect(AlarmDescription).toMatch(/^[A-Za-z- ]+: [A-Z].{20,}\. Runbook: docs\/runbook\.md#[a-z-]+$/);
      expect(AlarmActions).toEqual([{ "Fn::ImportValue": expect.stringContaining("AlarmTopic") }]);
    }
  });

  it("rises at the first alert that no channel took", () => {
    alerts.hasResourceProperties("AWS::CloudWatch::Alarm", {
      AlarmDescription: Match.stringLikeRegexp("^Undelivered alerts"),
      MetricName: "ApproximateNumberOfMessagesVisible",
      Statistic: "Maximum",
      Threshold: 1,
    });
  });
});

describe("the runbook", () => {
  it("has a heading for every alarm, and for whatever a message may link to", () => {
    const runbook = readFileSync(resolve(import.meta.dirname, "../../../docs/runbook.md"), "utf8");
    const anchors = [...runbook.matchAll(/^#+ (.+)$/gm)].map(([, heading]) => headingAnchor(heading ?? ""));
    const alarms = Object.values(alerts.findResources("AWS::CloudWatch::Alarm"));
    const wanted = [
      ...alarms.map(({ Properties }) => String(Properties.AlarmDescription).split("#")[1] ?? ""),
      ...eventNames.map((name) => headingAnchor(eventFacts[name].runbook)),
    ];
    expect(wanted.filter((anchor) => !anchors.includes(anchor))).toEqual([]);
  });
});

describe("the settings of alerts", () => {
  const settingsWith = (alertsSettings: object) =>
    parseStageSettings(
      "test",
      JSON.stringify({
        aliyun: { region: "cn-hangzhou", endpoint: "rds.aliyuncs.com" },
        replication: {
          schedule: { expression: "rate(6 hours)", timeZone: "UTC" },
          concurrency: {},
          monthlyEgressLimitBytes: "1 GB",
        },
        alerts: alertsSettings,
      }),
    ).alerts;

  it("have defaults that need nothing", () => {
    expect(settingsWith({})).toMatchObject({
      allowLoopback: false,
      channels: [{ name: "log", type: "console" }],
      rules: { suppressionMinutes: 360, recoveryNotice: true, quietHours: null },
      runbookUrl: "docs/runbook.md",
    });
  });

  it.each([
    [
      "quiet hours at no time",
      { rules: { quietHours: { from: "24:00", to: "07:00" } } },
      "alerts.rules.quietHours.from",
    ],
    [
      "channels that do not fit into an environment",
      {
        channels: [
          {
            name: "mail",
            type: "email",
            from: "a@example.com",
            to: Array(20).fill(`${"x".repeat(60)}@${"y".repeat(60)}.example.com`),
          },
        ],
      },
      "Together the channels are too long",
    ],
    [
      "two channels of one name",
      {
        channels: [
          { name: "log", type: "console" },
          { name: "log", type: "console" },
        ],
      },
      "same name",
    ],
    ["a channel of no known type", { channels: [{ name: "sms", type: "sms" }] }, 'Give a type: "wecom"'],
  ])("are refused: %s", (_why, given, complaint) => {
    expect(() => settingsWith(given)).toThrow(SettingsError);
    expect(() => settingsWith(given)).toThrow(complaint);
  });
});
