// SNS of the local cloud, inside the process only: a notification to a topic becomes a mail to each of its subscribers.
// Source: "Amazon SNS access policy" (a topic without a policy of its own is open to its account, one with is not) and
// "Using server-side encryption with SNS" (the publisher needs the topic's key) in the SNS guide.
import { randomUUID } from "node:crypto";
import { ServiceError } from "../gateway/service.ts";
import type { Clock } from "../rig/clock.ts";
import type { Outbox } from "../ses/outbox.ts";

export interface Topic {
  readonly arn: string;
  readonly displayName: string;
  readonly kmsKeyArn?: string;
  /** It has a policy of its own, which then alone decides. */
  readonly hasPolicy: boolean;
}

export interface Notification {
  readonly topicArn: string;
  readonly subject: string;
  readonly message: string;
  /** `cloudwatch.amazonaws.com` */
  readonly service: string;
  readonly sourceArn: string;
}

interface TopicPermissions {
  serviceMay(call: {
    readonly service: string;
    readonly action: string;
    readonly resource: string;
    readonly sourceArn: string;
  }): boolean;
}

export interface TopicsOptions {
  readonly clock: Clock;
  readonly outbox: Outbox;
  readonly permissions: TopicPermissions;
}

export class Topics {
  readonly #options: TopicsOptions;
  readonly #topics = new Map<string, Topic>();
  readonly #emails = new Map<string, Set<string>>();

  constructor(options: TopicsOptions) {
    this.#options = options;
  }

  create(topic: Topic): void {
    this.#topics.set(topic.arn, topic);
  }

  /** In AWS the subscriber must confirm first. Throws when there is no such topic. */
  subscribeEmail(topicArn: string, address: string): void {
    this.#find(topicArn);
    const subscribers = this.#emails.get(topicArn) ?? new Set();
    this.#emails.set(topicArn, subscribers.add(address));
  }

  /** Throws ServiceError NotFound or AuthorizationError. */
  publish(notification: Notification): void {
    const topic = this.#find(notification.topicArn);
    this.#authorize(topic, notification);
    const { clock, outbox } = this.#options;
    for (const address of this.#emails.get(topic.arn) ?? []) {
      outbox.add({
        messageId: randomUUID(),
        at: new Date(clock.now()).toISOString(),
        via: "sns",
        from: `${topic.displayName} <no-reply@sns.amazonaws.com>`,
        ...{ to: [address], cc: [], bcc: [], replyTo: [] },
        subject: notification.subject,
        text: notification.message,
      });
    }
  }

  #authorize(topic: Topic, { service, sourceArn }: Notification): void {
    const needed = [
      ...(topic.hasPolicy ? [{ action: "sns:Publish", resource: topic.arn }] : []),
      ...(topic.kmsKeyArn === undefined
        ? []
        : ["kms:GenerateDataKey", "kms:Decrypt"].map((action) => ({ action, resource: topic.kmsKeyArn ?? "" }))),
    ];
    for (const { action, resource } of needed) {
      if (this.#options.permissions.serviceMay({ service, action, resource, sourceArn })) continue;
      throw new ServiceError(
        403,
        "AuthorizationError",
        `Resource: ${sourceArn} is not authorized to perform: ${action} on resource: ${resource} because no ` +
          `resource-based policy allows ${service} to do it`,
      );
    }
  }

  #find(topicArn: string): Topic {
    const topic = this.#topics.get(topicArn);
    if (topic) return topic;
    throw new ServiceError(404, "NotFound", `Topic does not exist: ${topicArn}`);
  }
}
