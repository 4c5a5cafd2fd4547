// A small app as CDK would leave it: a queue that calls a function, a workflow, a topic, alarms and an identity for mail.
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";

const account = "111122223333";
const trust = (service: string) => ({
  Statement: [{ Effect: "Allow", Action: "sts:AssumeRole", Principal: { Service: service } }],
});
const arnOf = (logicalId: string) => ({ "Fn::GetAtt": [logicalId, "Arn"] });

/** Fails what is called "bad", throws at "poison", and makes one call per event, at which it can be killed. */
const handler = `
import http from "node:http";
const call = () => new Promise((resolve, reject) =>
  http.get(process.env.AWS_ENDPOINT_URL, (answer) => answer.resume().on("end", resolve)).on("error", reject));
export const handler = async ({ Records }) => {
  await call();
  console.log(JSON.stringify(Records.map(({ body, attributes }) => [body, attributes.ApproximateReceiveCount])));
  if (Records.some(({ body }) => body === "poison")) throw new Error("told to fail");
  const bad = Records.filter(({ body }) => body === "bad");
  return { batchItemFailures: bad.map(({ messageId }) => ({ itemIdentifier: messageId })) };
};
`;

const alarm = (metric: object, description: string) => ({
  Type: "AWS::CloudWatch::Alarm",
  Properties: {
    ...metric,
    AlarmDescription: description,
    Statistic: "Sum",
    Period: 300,
    EvaluationPeriods: 1,
    Threshold: 1,
    ComparisonOperator: "GreaterThanOrEqualToThreshold",
    TreatMissingData: "notBreaching",
    AlarmActions: [{ Ref: "Topic" }],
    OKActions: [{ Ref: "Topic" }],
  },
});

const publishers = {
  Sid: "publish",
  Effect: "Allow",
  Action: "sns:Publish",
  Principal: { Service: "cloudwatch.amazonaws.com" },
  Resource: { Ref: "Topic" },
};

export const resources = {
  Dead: { Type: "AWS::SQS::Queue", Properties: { QueueName: "dead" } },
  Work: {
    Type: "AWS::SQS::Queue",
    Properties: {
      QueueName: "work",
      VisibilityTimeout: 60,
      RedrivePolicy: { deadLetterTargetArn: arnOf("Dead"), maxReceiveCount: 2 },
    },
  },
  TakeRole: {
    Type: "AWS::IAM::Role",
    Properties: {
      AssumeRolePolicyDocument: trust("lambda.amazonaws.com"),
      Policies: [
        {
          PolicyName: "inline",
          PolicyDocument: {
            Statement: [
              {
                Effect: "Allow",
                Action: ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"],
                Resource: arnOf("Work"),
              },
              { Effect: "Allow", Action: ["logs:CreateLogStream", "logs:PutLogEvents"], Resource: "*" },
            ],
          },
        },
      ],
    },
  },
  Take: {
    Type: "AWS::Lambda::Function",
    Properties: {
      FunctionName: "take",
      Code: { S3Bucket: "cdk-assets", S3Key: "take.zip" },
      Handler: "index.handler",
      Runtime: "nodejs24.x",
      Role: arnOf("TakeRole"),
      Timeout: 30,
    },
  },
  Mapping: {
    Type: "AWS::Lambda::EventSourceMapping",
    Properties: {
      EventSourceArn: arnOf("Work"),
      FunctionName: { Ref: "Take" },
      BatchSize: 5,
      FunctionResponseTypes: ["ReportBatchItemFailures"],
      ScalingConfig: { MaximumConcurrency: 2 },
    },
  },
  FlowRole: { Type: "AWS::IAM::Role", Properties: { AssumeRolePolicyDocument: trust("states.amazonaws.com") } },
  Flow: {
    Type: "AWS::StepFunctions::StateMachine",
    Properties: {
      StateMachineName: "torn",
      RoleArn: arnOf("FlowRole"),
      DefinitionString: JSON.stringify({
        QueryLanguage: "JSONata",
        StartAt: "Tear",
        States: { Tear: { Type: "Fail", Error: "Torn", Cause: "in two" } },
      }),
    },
  },
  Heard: { Type: "AWS::SQS::Queue", Properties: { QueueName: "heard" } },
  HeardPolicy: {
    Type: "AWS::SQS::QueuePolicy",
    Properties: {
      Queues: [{ Ref: "Heard" }],
      PolicyDocument: {
        Statement: [
          {
            Effect: "Allow",
            Action: "sqs:SendMessage",
            Principal: { Service: "events.amazonaws.com" },
            Resource: arnOf("Heard"),
          },
        ],
      },
    },
  },
  OnFailure: {
    Type: "AWS::Events::Rule",
    Properties: {
      EventPattern: {
        source: ["aws.states"],
        "detail-type": ["Step Functions Execution Status Change"],
        detail: { status: ["FAILED", "TIMED_OUT", "ABORTED"], stateMachineArn: [{ Ref: "Flow" }] },
      },
      Targets: [{ Id: "heard", Arn: arnOf("Heard") }],
    },
  },
  Key: {
    Type: "AWS::KMS::Key",
    Properties: {
      KeyPolicy: {
        Statement: [
          { Effect: "Allow", Action: "kms:*", Principal: { AWS: `arn:aws:iam::${account}:root` }, Resource: "*" },
          {
            Effect: "Allow",
            Action: ["kms:Decrypt", "kms:GenerateDataKey*"],
            Principal: { Service: "cloudwatch.amazonaws.com" },
            Resource: "*",
          },
        ],
      },
    },
  },
  Topic: {
    Type: "AWS::SNS::Topic",
    Properties: { TopicName: "alarms", DisplayName: "House alarms", KmsMasterKeyId: arnOf("Key") },
  },
  TopicPolicy: {
    Type: "AWS::SNS::TopicPolicy",
    Properties: { Topics: [{ Ref: "Topic" }], PolicyDocument: { Statement: [publishers] } },
  },
  Mail: {
    Type: "AWS::SNS::Subscription",
    Properties: { TopicArn: { Ref: "Topic" }, Protocol: "email", Endpoint: "operations@example.com" },
  },
  DeadLetters: alarm(
    {
      Namespace: "AWS/SQS",
      MetricName: "ApproximateNumberOfMessagesVisible",
      Dimensions: [{ Name: "QueueName", Value: { "Fn::GetAtt": ["Dead", "QueueName"] } }],
    },
    "messages that nobody took. Runbook: docs/runbook.md#dead",
  ),
  FlowFails: alarm(
    {
      Namespace: "AWS/States",
      MetricName: "ExecutionsFailed",
      Dimensions: [{ Name: "StateMachineArn", Value: { Ref: "Flow" } }],
    },
    "the workflow fails",
  ),
  TakeFails: alarm(
    {
      Namespace: "AWS/Lambda",
      MetricName: "Errors",
      Dimensions: [{ Name: "FunctionName", Value: { Ref: "Take" } }],
    },
    "the function fails",
  ),
  Sender: { Type: "AWS::SES::EmailIdentity", Properties: { EmailIdentity: "house@example.com" } },
};

/** Writes it into the folder. */
export function writeAssembly(directory: string, template: object = resources): void {
  mkdirSync(path.join(directory, "take"), { recursive: true });
  const write = (file: string, content: object) => writeFileSync(path.join(directory, file), JSON.stringify(content));
  writeFileSync(path.join(directory, "take/index.mjs"), handler);
  write("house.template.json", { Resources: template, Outputs: { FlowArn: { Value: { Ref: "Flow" } } } });
  write("house.assets.json", {
    version: "48.0.0",
    files: {
      take: {
        source: { path: "take", packaging: "zip" },
        destinations: { here: { bucketName: "cdk-assets", objectKey: "take.zip" } },
      },
    },
  });
  write("manifest.json", {
    version: "48.0.0",
    artifacts: {
      "house.assets": { type: "cdk:asset-manifest", properties: { file: "house.assets.json" } },
      house: {
        type: "aws:cloudformation:stack",
        environment: `aws://${account}/eu-central-1`,
        properties: { templateFile: "house.template.json" },
        dependencies: ["house.assets"],
      },
    },
  });
}
