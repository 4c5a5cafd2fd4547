// The comparison of S3 and OSS in the template: a valid workflow that deletes nothing, started by its schedule.
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import validate from "asl-validator";
import { Match } from "aws-cdk-lib/assertions";
import { expect, it } from "vitest";
import { actionsOf, statementsOf, synthesise } from "./template.ts";

const { replication } = synthesise("local");
const functions = ["PlanReconciliation", "ReconcilePart", "SummariseReconciliation"];

it("has a workflow that Step Functions takes", () => {
  const file = resolve(import.meta.dirname, "../../../state-machines/replication/reconcile-mirror.asl.json");
  const { isValid, errorsText } = validate(JSON.parse(readFileSync(file, "utf8")));
  expect(isValid, errorsText("\n")).toBe(true);
});

it("nothing of it may delete, and only one function writes where the mirror writes", () => {
  for (const id of functions) {
    expect(
      actionsOf(replication, id).filter((action) => /Delete|Remove/.test(action)),
      id,
    ).toEqual([]);
  }
  const onMirror = functions.filter((id) =>
    statementsOf(replication, id).some(({ resources }) => resources.some((resource) => /Mirror/.test(resource))),
  );
  expect(onMirror).toEqual(["ReconcilePart"]);
});

it("the schedule starts it under names of its own, through the function that all schedules share", () => {
  replication.hasResourceProperties("AWS::Scheduler::Schedule", {
    Name: "causeway-local-reconcile-mirror",
    ScheduleExpression: "cron(0 6 * * ? *)",
    Target: {
      Arn: Match.anyValue(),
      Input: Match.objectLike({
        "Fn::Join": ["", Match.arrayWith([Match.stringLikeRegexp('"runsAs":"reconcile"')])],
      }),
    },
  });
});
