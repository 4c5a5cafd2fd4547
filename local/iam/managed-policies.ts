// The AWS-managed policies that our roles may carry, as AWS publishes them in its Managed Policy Reference.
import type { PolicyDocument } from "./policy-document.ts";

const writeLogs = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"];

const policies: Readonly<Record<string, PolicyDocument>> = {
  "service-role/AWSLambdaBasicExecutionRole": {
    Statement: { Effect: "Allow", Action: writeLogs, Resource: "*" },
  },
  "service-role/AmazonAPIGatewayPushToCloudWatchLogs": {
    Statement: {
      Effect: "Allow",
      Action: [
        ...writeLogs,
        ...["logs:DescribeLogGroups", "logs:DescribeLogStreams", "logs:GetLogEvents", "logs:FilterLogEvents"],
      ],
      Resource: "*",
    },
  },
  AWSXRayDaemonWriteAccess: {
    Statement: {
      Effect: "Allow",
      Action: [
        "xray:PutTraceSegments",
        "xray:PutTelemetryRecords",
        "xray:GetSamplingRules",
        "xray:GetSamplingTargets",
        "xray:GetSamplingStatisticSummaries",
      ],
      Resource: "*",
    },
  },
};

/** Undefined for a policy that is not in the table: boot names it. */
export function awsManagedPolicy(policyArn: string): PolicyDocument | undefined {
  return policies[policyArn.replace(/^arn:aws[a-z-]*:iam::aws:policy\//, "")];
}
