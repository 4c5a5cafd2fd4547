// What the room sends to its bus, for a test to read: a rule of the test's own brings every event into a queue.
import { DeleteMessageCommand, ReceiveMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import type { EventName } from "../../lambdas/shared/events.ts";
import type { LocalCloud } from "../../local/cloud.ts";

interface SeenEvent {
  readonly "detail-type": string;
  readonly detail: Record<string, unknown>;
}

export class SeenEvents {
  readonly #cloud: LocalCloud;
  readonly #sqs: SQSClient;
  readonly #seen: SeenEvent[] = [];

  /** The queue of missed runs, in which nothing else arrives in a test, gets every event of the room from now on. */
  constructor(cloud: LocalCloud) {
    this.#cloud = cloud;
    this.#sqs = new SQSClient(cloud.clientConfig());
    const { arn = "" } = cloud.resource("MissedRuns/Queue");
    cloud.iam.addResourcePolicy(arn, {
      Statement: {
        Effect: "Allow",
        Action: "sqs:SendMessage",
        Resource: arn,
        Principal: { Service: "events.amazonaws.com" },
      },
    });
    cloud.eventBridge.putRule({
      name: "test-watch",
      busName: cloud.output("EventBusName"),
      eventPattern: { source: ["causeway.replication"] },
      targets: [{ Id: "queue", Arn: arn }],
    });
  }

  /** Details of the events of this name so far, in no order. */
  async named(name: EventName): Promise<Record<string, unknown>[]> {
    await this.#cloud.eventBridge.settled();
    const QueueUrl = this.#cloud.output("MissedRunsQueueUrl");
    for (;;) {
      const { Messages = [] } = await this.#sqs.send(new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10 }));
      if (Messages.length === 0) break;
      for (const { Body = "", ReceiptHandle } of Messages) {
        this.#seen.push(JSON.parse(Body) as SeenEvent);
        await this.#sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }));
      }
    }
    return this.#seen.filter((event) => event["detail-type"] === name).map(({ detail }) => detail);
  }
}
