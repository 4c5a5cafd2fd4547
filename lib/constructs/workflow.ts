// A Step Functions state machine from its .asl.json, with exactly the rights that the definition needs.
import { readFileSync } from "node:fs";
import { basename, relative, resolve } from "node:path";
import { type Duration, RemovalPolicy } from "aws-cdk-lib";
import { Role, ServicePrincipal } from "aws-cdk-lib/aws-iam";
import { LogGroup, type RetentionDays } from "aws-cdk-lib/aws-logs";
import type { Bucket } from "aws-cdk-lib/aws-s3";
import type { ITopic } from "aws-cdk-lib/aws-sns";
import { DefinitionBody, LogLevel, StateMachine } from "aws-cdk-lib/aws-stepfunctions";
import { Construct } from "constructs";
import { FailureAlarm, failurePeriod } from "./failure-alarm.ts";
import { acknowledgeWildcards, type Permission, permit } from "./permissions.ts";
import { namedArn, type ServiceFunction } from "./service-function.ts";
import {
  checkPlaceholders,
  type DistributedMap,
  type Json,
  readWorkflowDefinition,
  WorkflowDefinitionError,
} from "./workflow-definition.ts";

const projectFolder = resolve(import.meta.dirname, "../..");

/** A bucket whose name stands in the definition, and the part of it that the workflow itself may read and write. */
export interface WorkflowBucket {
  readonly bucket: Bucket;
  /** Keys as in a policy's resource, such as `runs/*`. */
  readonly keys: string;
}

export interface WorkflowProps {
  /** The state machine's name: known beforehand, so that a function can be allowed to ask about its executions. */
  readonly name: string;
  /** The path under state-machines/, such as `replication/replicate-backups.asl.json`. */
  readonly definition: string;
  /** By placeholder: the functions that the definition calls. Undefined: not in this stage; the definition reads `none`. */
  readonly functions: Readonly<Record<string, ServiceFunction | undefined>>;
  /** By placeholder: JSON that takes the placeholder's place in the definition. */
  readonly documents?: Readonly<Record<string, Json>>;
  /** By placeholder: buckets are substituted by their names. */
  readonly buckets: Readonly<Record<string, WorkflowBucket>>;
  /** A run that takes longer is stopped. */
  readonly timeout: Duration;
  /** A sentence: what no longer happens when the workflow fails, and for whom. It becomes the alarm's text. */
  readonly impactOfFailure: string;
  readonly logRetention: RetentionDays;
  readonly alarmTopic: ITopic;
}

export class Workflow extends Construct {
  readonly stateMachine: StateMachine;
  readonly role: Role;
  readonly name: string;

  /** Throws WorkflowDefinitionError when the definition and what it is given do not fit together. */
  constructor(scope: Construct, id: string, props: WorkflowProps) {
    super(scope, id);
    this.name = props.name;
    const file = resolve(projectFolder, "state-machines", props.definition);
    const fileName = relative(projectFolder, file);
    const text = readFileSync(file, "utf8");
    const definition = readWorkflowDefinition(fileName, text, props.timeout.toSeconds(), props.documents);
    checkPlaceholders(fileName, definition.placeholders, [
      ...Object.keys(props.functions),
      ...Object.keys(props.buckets),
    ]);

    this.role = new Role(this, "Role", {
      assumedBy: new ServicePrincipal("states.amazonaws.com"),
      description: `Only for the workflow ${props.name}`,
    });
    this.stateMachine = new StateMachine(this, "StateMachine", {
      stateMachineName: props.name,
      definitionBody: DefinitionBody.fromString(definition.text),
      definitionSubstitutions: substitutions(props),
      role: this.role,
      timeout: props.timeout,
      tracingEnabled: true,
      logs: {
        // Names under /aws/vendedlogs/ share one resource policy; others fill up the account's ten.
        destination: new LogGroup(this, "Logs", {
          logGroupName: `/aws/vendedlogs/states/${props.name}`,
          retention: props.logRetention,
          removalPolicy: RemovalPolicy.DESTROY,
        }),
        level: LogLevel.ALL,
        // Signed links travel as execution data.
        includeExecutionData: false,
      },
    });
    permit(this.role, [
      {
        actions: ["lambda:InvokeFunction"],
        resources: Object.values(props.functions).flatMap((serviceFunction) => serviceFunction?.arn ?? []),
      },
      ...definition.distributedMaps.flatMap((map) => mapPermissions(this, fileName, map, props)),
    ]);
    acknowledgeWildcards(this.role, [
      { resource: "*", reason: "X-Ray's and CloudWatch's log delivery actions, which know no resources." },
    ]);
    // Step Functions counts a run that passed its time limit apart; one that was stopped by hand is no failure.
    const alarm = {
      title: `${basename(props.definition, ".asl.json")} fails`,
      impactOfFailure: props.impactOfFailure,
      topic: props.alarmTopic,
    };
    const every = { period: failurePeriod };
    new FailureAlarm(this, "FailureAlarm", { ...alarm, metric: this.stateMachine.metricFailed(every) });
    new FailureAlarm(this, "TimeoutAlarm", { ...alarm, metric: this.stateMachine.metricTimedOut(every) });
  }

  get arn(): string {
    return this.stateMachine.stateMachineArn;
  }
}

/**
 * The ARN patterns of a workflow's executions and of its Distributed Maps' children, for functions that the workflow
 * itself calls: a reference to it would be a cycle.
 */
export function executionArns(scope: Construct, workflowName: string): string[] {
  return [`${workflowName}:*`, `${workflowName}/*`].map((name) => namedArn(scope, "states", `execution:${name}`));
}

function substitutions(props: WorkflowProps): Record<string, string> {
  return Object.fromEntries([
    ...Object.entries(props.functions).map(([placeholder, called]) => [placeholder, called?.arn ?? "none"]),
    ...Object.entries(props.buckets).map(([placeholder, { bucket }]) => [placeholder, bucket.bucketName]),
  ]);
}

/** What Step Functions itself does in our name for a Distributed Map. */
function mapPermissions(scope: Construct, file: string, map: DistributedMap, props: WorkflowProps): Permission[] {
  const own = [
    { actions: ["states:StartExecution"], resources: [namedArn(scope, "states", `stateMachine:${props.name}`)] },
    {
      actions: ["states:DescribeExecution", "states:StopExecution", "states:RedriveExecution"],
      // Both forms: AWS's pages name the first, children of a map are seen under the second.
      resources: executionArns(scope, props.name),
      wildcardReason: `The children of "${map.stateName}" get random names.`,
    },
  ];
  return [
    ...own,
    ...bucketPermissions(file, map, "reader", map.readerPlaceholder, ["s3:GetObject"], props),
    ...bucketPermissions(
      file,
      map,
      "result writer",
      map.writerPlaceholder,
      ["s3:PutObject", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:AbortMultipartUpload"],
      props,
    ),
  ];
}

function bucketPermissions(
  file: string,
  map: DistributedMap,
  role: string,
  placeholder: string | undefined,
  actions: readonly string[],
  props: WorkflowProps,
): Permission[] {
  if (placeholder === undefined) return [];
  const target = props.buckets[placeholder];
  if (target === undefined) {
    throw new WorkflowDefinitionError(
      file,
      `the ${role} of "${map.stateName}" uses \${${placeholder}}, which is no bucket.`,
    );
  }
  const { bucket, keys } = target;
  const key = bucket.encryptionKey;
  return [
    {
      actions,
      resources: [bucket.arnForObjects(keys)],
      wildcardReason: `The ${role} of "${map.stateName}": each run has its own keys below this prefix.`,
    },
    ...(key === undefined ? [] : [{ actions: ["kms:Decrypt", "kms:GenerateDataKey"], resources: [key.keyArn] }]),
  ];
}
