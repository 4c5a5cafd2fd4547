// Console: the HTTP API of every room, who may sign in to it, and the function that closes jobs whose run ended unsaid.
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { CfnCondition, CfnOutput, CfnParameter, Fn, Stack, type StackProps } from "aws-cdk-lib";
import { Rule } from "aws-cdk-lib/aws-events";
import { LambdaFunction as LambdaTarget } from "aws-cdk-lib/aws-events-targets";
import type { Construct } from "constructs";
import { routes as consoleRoutes } from "../../lambdas/console/routes.ts";
import type { StageSettings } from "../config.ts";
import { DeadLetterQueue } from "../constructs/dead-letter-queue.ts";
import { FailureAlarm, failurePeriod } from "../constructs/failure-alarm.ts";
import { HttpApi, type HttpRoom } from "../constructs/http-api.ts";
import { ScheduledCall } from "../constructs/scheduled-call.ts";
import { namedArn, Room, type ServiceFunction } from "../constructs/service-function.ts";
import { SignIn } from "../constructs/sign-in.ts";
import { Workflow } from "../constructs/workflow.ts";
import {
  addAnswerRequests,
  addAuthorizeRequest,
  addChangeJobs,
  addChangeSchedules,
  addCheckReadiness,
  addCloseJob,
  addShowDocs,
  addShowMetrics,
  type ConsoleParts,
} from "./console-functions.ts";
import type { DataStack } from "./data-stack.ts";

export interface ConsoleStackProps extends StackProps {
  readonly settings: StageSettings;
  readonly data: DataStack;
  /** The other rooms with routes. */
  readonly rooms: readonly HttpRoom[];
  /** Settings that are parameters of other stacks, with their values at deployment, by their path. */
  readonly parameterValues: Readonly<Record<string, string>>;
}

/** Built last: it looks for the schedules, workflows and dead-letter queues of the whole app. */
export class ConsoleStack extends Stack {
  constructor(scope: Construct, id: string, props: ConsoleStackProps) {
    super(scope, id, props);
    const { settings, data } = props;
    const common = { logRetention: settings.retention.logDays, alarmTopic: data.alarmTopic };
    const api = new HttpApi(this, "HttpApi", {
      ...common,
      name: `causeway-${settings.stage}`,
      stageName: settings.stage,
    });
    const baseUrls = [api.url, ...(settings.console.publicUrl === undefined ? [] : [settings.console.publicUrl])];
    const signIn = new SignIn(this, "SignIn", {
      ...settings.console,
      stage: settings.stage,
      firstAdminEmail: settings.console.firstAdminEmail,
      protectData: settings.protectData,
      callbackUrls: baseUrls.map((url) => `${url.replace(/\/$/, "")}/docs/oauth2-redirect.html`),
    });
    const signInUrl = this.#signInUrl(signIn);
    const parts: ConsoleParts = {
      ...this.#findInApp(),
      scope: this,
      room: new Room(this, { ...common, room: "console" }),
      settings,
      data,
      version: packageVersion(),
      issuer: signIn.issuer,
      signInUrl,
      peopleClientId: signIn.people.userPoolClientId,
      machineClientId: signIn.machine.userPoolClientId,
      parameterValues: props.parameterValues,
    };
    const showDocs = addShowDocs(parts);
    const own: HttpRoom = {
      routes: consoleRoutes,
      functions: {
        "answer-requests": addAnswerRequests(parts),
        "change-jobs": addChangeJobs(parts),
        "change-schedules": addChangeSchedules(parts),
        "check-readiness": addCheckReadiness(parts),
        "show-metrics": addShowMetrics(parts),
        "show-docs": showDocs,
      },
    };
    api.addRooms([own, ...props.rooms], addAuthorizeRequest(parts), showDocs);
    this.#closeJobs(parts);

    new CfnOutput(this, "ApiUrl", { value: api.url, description: "The HTTP API; /docs below it describes it" });
    new CfnOutput(this, "SignInPagesUrl", { value: signInUrl });
    new CfnOutput(this, "UserPoolId", { value: signIn.pool.userPoolId });
    new CfnOutput(this, "TokenIssuer", { value: signIn.issuer });
    new CfnOutput(this, "PeopleClientId", { value: parts.peopleClientId });
    new CfnOutput(this, "MachineClientId", {
      value: parts.machineClientId,
      description: "Its secret: aws cognito-idp describe-user-pool-client",
    });
  }

  /** The hosted pages, or what a deployment puts in their place. */
  #signInUrl(signIn: SignIn): string {
    const parameter = new CfnParameter(this, "SignInUrl", {
      default: "",
      description: "Base of the pages to sign in at, without a slash at the end; empty: the user pool's own domain",
    });
    const isOwn = new CfnCondition(this, "SignInOnOwnDomain", {
      expression: Fn.conditionEquals(parameter.valueAsString, ""),
    });
    return Fn.conditionIf(isOwn.logicalId, signIn.pagesUrl, parameter.valueAsString).toString();
  }

  #findInApp(): Pick<ConsoleParts, "scheduleNames" | "scheduleRoles" | "workflowNames" | "deadLetters"> {
    const constructs = this.node.root.node.findAll();
    const schedules = constructs.filter((found) => found instanceof ScheduledCall);
    return {
      scheduleNames: schedules.map(({ name }) => name),
      scheduleRoles: schedules.map(({ role }) => role),
      workflowNames: constructs.filter((found) => found instanceof Workflow).map(({ name }) => name),
      deadLetters: constructs.filter((found) => found instanceof DeadLetterQueue).map(({ queue }) => queue),
    };
  }

  /** A run that was stopped, ran out of time, or failed before its summary says so nowhere else. */
  #closeJobs(parts: ConsoleParts): void {
    const { queue } = new DeadLetterQueue(this, "UnclosedJobs", {
      holds: "ended executions whose jobs could not be closed",
    });
    new FailureAlarm(this, "UnclosedJobsAlarm", {
      metric: queue.metricApproximateNumberOfMessagesVisible({ period: failurePeriod, statistic: "Maximum" }),
      title: "Unclosed jobs",
      impactOfFailure: "Jobs whose run has ended are still shown as running.",
      topic: parts.data.alarmTopic,
    });
    const closeJob: ServiceFunction = addCloseJob(parts, queue);
    new Rule(this, "ExecutionEnded", {
      description: "Executions that may have ended without closing their job",
      eventPattern: {
        source: ["aws.states"],
        detailType: ["Step Functions Execution Status Change"],
        detail: {
          status: ["ABORTED", "TIMED_OUT", "FAILED"],
          stateMachineArn: parts.workflowNames.map((name) => namedArn(this, "states", `stateMachine:${name}`)),
        },
      },
      targets: [new LambdaTarget(closeJob.function, { deadLetterQueue: queue })],
    });
  }
}

function packageVersion(): string {
  const file = resolve(import.meta.dirname, "../../package.json");
  return (JSON.parse(readFileSync(file, "utf8")) as { readonly version: string }).version;
}
