// Whether the things that the API needs are there and answer: asked of each service without reading anything it holds.
import { DescribeTableCommand, DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { DescribeEventBusCommand, EventBridgeClient } from "@aws-sdk/client-eventbridge";
import { HeadBucketCommand, S3Client } from "@aws-sdk/client-s3";
import { DescribeSecretCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { DescribeStateMachineCommand, SFNClient } from "@aws-sdk/client-sfn";
import { GetQueueAttributesCommand, SQSClient } from "@aws-sdk/client-sqs";
import type { Probe } from "./check-readiness.ts";

/** A check that must be repeated to succeed says that something is wrong. */
const once = { maxAttempts: 2 } as const;

export interface Dependencies {
  readonly TABLE_NAMES: readonly string[];
  readonly BUCKET_NAMES: readonly string[];
  readonly EVENT_BUS_NAME: string;
  readonly QUEUE_URLS: readonly string[];
  readonly STATE_MACHINE_ARNS: readonly string[];
  readonly SECRET_IDS: readonly string[];
  readonly OPTIONAL_SECRET_IDS: readonly string[];
  readonly ISSUER: string;
  readonly ALIYUN_URL: string;
}

export function probesOf(dependencies: Dependencies): Probe[] {
  const [tables, buckets, buses] = [new DynamoDBClient(once), new S3Client(once), new EventBridgeClient(once)];
  const [queues, states, secrets] = [new SQSClient(once), new SFNClient(once), new SecretsManagerClient(once)];
  const secret = (isRequired: boolean) => (SecretId: string) =>
    probe(`secret ${SecretId}`, isRequired, (abortSignal) =>
      secrets.send(new DescribeSecretCommand({ SecretId }), { abortSignal }),
    );
  return [
    ...dependencies.TABLE_NAMES.map((TableName) =>
      probe(`table ${TableName}`, true, (abortSignal) =>
        tables.send(new DescribeTableCommand({ TableName }), { abortSignal }),
      ),
    ),
    ...dependencies.BUCKET_NAMES.map((Bucket) =>
      probe(`bucket ${Bucket}`, true, (abortSignal) =>
        buckets.send(new HeadBucketCommand({ Bucket }), { abortSignal }),
      ),
    ),
    probe(`event bus ${dependencies.EVENT_BUS_NAME}`, true, (abortSignal) =>
      buses.send(new DescribeEventBusCommand({ Name: dependencies.EVENT_BUS_NAME }), { abortSignal }),
    ),
    ...dependencies.QUEUE_URLS.map((QueueUrl) =>
      probe(`queue ${nameIn(QueueUrl)}`, true, (abortSignal) =>
        queues.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ["QueueArn"] }), { abortSignal }),
      ),
    ),
    ...dependencies.STATE_MACHINE_ARNS.map((stateMachineArn) =>
      probe(`workflow ${stateMachineArn.split(":").at(-1)}`, true, (abortSignal) =>
        states.send(new DescribeStateMachineCommand({ stateMachineArn }), { abortSignal }),
      ),
    ),
    ...dependencies.SECRET_IDS.map(secret(true)),
    ...dependencies.OPTIONAL_SECRET_IDS.map(secret(false)),
    probe("sign-in keys", true, (signal) => fetchOk(`${dependencies.ISSUER}/.well-known/jwks.json`, signal)),
    // Whether copies can run is not whether the API can answer; any answer at all means that the way is open.
    probe("Aliyun", false, (signal) => fetch(dependencies.ALIYUN_URL, { signal, redirect: "manual" })),
  ];
}

function probe(name: string, isRequired: boolean, ask: (signal: AbortSignal) => Promise<unknown>): Probe {
  return {
    name,
    isRequired,
    async look(signal) {
      await ask(signal);
    },
  };
}

const nameIn = (queueUrl: string) => queueUrl.split("/").at(-1) ?? queueUrl;

async function fetchOk(url: string, signal: AbortSignal): Promise<void> {
  const answer = await fetch(url, { signal });
  if (!answer.ok) throw new Error(`answered ${answer.status}`);
  await answer.arrayBuffer();
}
