// Replication: the workflow, the functions it calls, and the schedule that starts it.
import { CfnOutput, CfnParameter, Duration, Stack, type StackProps } from "aws-cdk-lib";
import type { Queue } from "aws-cdk-lib/aws-sqs";
import type { Construct } from "constructs";
import type { StageSettings } from "../config.ts";
import { DeadLetterQueue } from "../constructs/dead-letter-queue.ts";
import { FailureAlarm, failurePeriod } from "../constructs/failure-alarm.ts";
import type { HttpRoom } from "../constructs/http-api.ts";
import { ScheduledCall } from "../constructs/scheduled-call.ts";
import { Room, type ServiceFunction } from "../constructs/service-function.ts";
import { Workflow } from "../constructs/workflow.ts";
import type { DataStack } from "./data-stack.ts";
import { addReplicationApi } from "./replication-api.ts";
import { addExports, scheduleExports } from "./replication-exports.ts";
import {
  addAbandonCopy,
  addCompleteCopy,
  addCopyBatch,
  addListBackups,
  addPlanCopy,
  addRecordReceipt,
  addRefreshLink,
  addSummariseRun,
  type ReplicationParts,
} from "./replication-functions.ts";
import { addMirror } from "./replication-mirror.ts";
import { announcing } from "./replication-permissions.ts";
import { addReconciliation, scheduleReconciliation } from "./replication-reconcile.ts";

export interface ReplicationStackProps extends StackProps {
  readonly settings: StageSettings;
  readonly data: DataStack;
}

/** A run that has not ended by then is stopped: later runs have long taken over what it left. */
const runTimeout = Duration.days(7);

/** S3's own limit; only a stand-in for S3 has another. */
const smallestPartBytesOfS3 = 5 * 1024 * 1024;

export class ReplicationStack extends Stack {
  /** Settings that a deployment may give by parameters, by their path, with the values that it gave. */
  readonly parameterValues: Readonly<Record<string, string>>;
  /** What the API needs of this room. */
  readonly http: HttpRoom;

  constructor(scope: Construct, id: string, props: ReplicationStackProps) {
    super(scope, id, props);
    const { settings, data } = props;
    const common = { logRetention: settings.retention.logDays, alarmTopic: data.alarmTopic };
    const parts: ReplicationParts = {
      ...this.#parameters(settings),
      scope: this,
      room: new Room(this, { ...common, room: "replication" }),
      settings,
      data,
      workflowName: `causeway-${settings.stage}-replicate-backups`,
    };
    this.parameterValues = { "aliyun.endpoint": parts.aliyunEndpoint, "aliyun.protocol": parts.aliyunProtocol };
    const workflow = new Workflow(this, "ReplicateBackups", {
      ...common,
      name: parts.workflowName,
      definition: "replication/replicate-backups.asl.json",
      functions: {
        ListBackups: addListBackups(parts),
        PlanCopy: addPlanCopy(parts),
        RefreshLink: addRefreshLink(parts),
        CopyBatch: addCopyBatch(parts),
        CompleteCopy: addCompleteCopy(parts),
        RecordReceipt: addRecordReceipt(parts),
        AbandonCopy: addAbandonCopy(parts),
        SummariseRun: addSummariseRun(parts),
      },
      buckets: { WorkBucket: { bucket: data.work, keys: "runs/*" } },
      timeout: runTimeout,
      impactOfFailure: "Some or all new backups of this run are not in S3; the next run tries them again.",
    });

    const missedRuns = this.#missedRuns(data);
    const exportWorkflow = addExports(parts, common);
    const mirror = addMirror(parts, missedRuns);
    const reconciliation = addReconciliation(mirror, common);
    const started = [workflow, exportWorkflow, reconciliation].flatMap((each) => each?.arn ?? []);
    const startRun = this.#startRun(parts, started, missedRuns);
    if (exportWorkflow) scheduleExports(parts, exportWorkflow, startRun, missedRuns);
    new ScheduledCall(this, "Schedule", {
      name: parts.workflowName,
      description:
        "Starts a replication run; the function names it by the scheduled time, so that a second call changes nothing.",
      ...settings.replication.schedule,
      calls: startRun,
      input: {
        schedule: parts.workflowName,
        stateMachineArn: workflow.arn,
        scheduledTime: "<aws.scheduler.scheduled-time>",
      },
      missedCalls: missedRuns,
    });

    scheduleReconciliation(mirror, reconciliation, startRun, missedRuns);
    this.http = addReplicationApi(parts, { copies: workflow, exports: exportWorkflow, reconciliation });

    new CfnOutput(this, "ReplicateBackupsArn", { value: workflow.arn });
    new CfnOutput(this, "MissedRunsQueueUrl", { value: missedRuns.queueUrl });
  }

  /** What may differ between two deployments of the same template: `cdk deploy --parameters …`, and the local cloud. */
  #parameters({ aliyun }: StageSettings) {
    const endpoint = new CfnParameter(this, "AliyunRdsEndpoint", {
      default: aliyun.endpoint,
      description: "Host of Aliyun's RDS interface, with a port where it is not the protocol's own",
    });
    const protocol = new CfnParameter(this, "AliyunProtocol", {
      default: aliyun.protocol,
      allowedValues: ["https", "http"],
      description: "https, or http for a stand-in on the same machine",
    });
    const smallestPart = new CfnParameter(this, "SmallestPartBytes", {
      default: String(smallestPartBytesOfS3),
      allowedPattern: "[1-9][0-9]*",
      description: "The smallest part that the target takes; S3 takes 5242880 bytes",
    });
    return {
      aliyunEndpoint: endpoint.valueAsString,
      // CloudFormation holds the value to `allowedValues`.
      aliyunProtocol: protocol.valueAsString as "http" | "https",
      smallestPartBytes: smallestPart.valueAsString,
    };
  }

  /** One function for all schedules of the room; each names its workflow. */
  #startRun({ room, data }: ReplicationParts, workflowArns: readonly string[], missedRuns: Queue): ServiceFunction {
    return room.add("start-run", {
      impactOfFailure:
        "Scheduled runs do not start: no new backup is copied or exported until someone starts one by hand.",
      environment: { EVENT_BUS_NAME: data.bus.eventBusName },
      permissions: [{ actions: ["states:StartExecution"], resources: workflowArns }, announcing(data.bus)],
      memoryMebibytes: 256,
      timeout: Duration.minutes(1),
      failedCalls: missedRuns,
    });
  }

  #missedRuns(data: DataStack): Queue {
    const { queue } = new DeadLetterQueue(this, "MissedRuns", { holds: "scheduled runs that could not be started" });
    new FailureAlarm(this, "MissedRunsAlarm", {
      metric: queue.metricApproximateNumberOfMessagesVisible({ period: failurePeriod, statistic: "Maximum" }),
      title: "Missed runs",
      impactOfFailure: "A scheduled run was not started: the backups of that time are not copied until the next run.",
      topic: data.alarmTopic,
    });
    return queue;
  }
}
