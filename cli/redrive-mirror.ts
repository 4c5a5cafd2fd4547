// `causeway mirror redrive`: dead letters go back into the queue that they came from, by SQS itself.
import {
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  SQSClient,
  StartMessageMoveTaskCommand,
} from "@aws-sdk/client-sqs";
import { UsageProblem } from "./usage-problem.ts";

/** A sentence on what was begun. SQS moves the messages in the background. */
export async function redriveMirror(stage: string, deletes: boolean): Promise<string> {
  const client = new SQSClient({});
  const name = `causeway-${stage}-mirror${deletes ? "-deletes" : ""}`;
  const queue = await look(client, name);
  const deadLetters = await look(client, `${name}-dead-letters`);
  if (deadLetters.messages === 0) return "There are no dead letters of the mirror.";
  await client.send(new StartMessageMoveTaskCommand({ SourceArn: deadLetters.arn, DestinationArn: queue.arn }));
  const count = deadLetters.messages === 1 ? "One dead letter is" : `${deadLetters.messages} dead letters are`;
  return `${count} on the way back into the queue ${name}.`;
}

async function look(client: SQSClient, queueName: string): Promise<{ arn: string; messages: number }> {
  try {
    const { QueueUrl } = await client.send(new GetQueueUrlCommand({ QueueName: queueName }));
    const { Attributes } = await client.send(
      new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ["QueueArn", "ApproximateNumberOfMessages"] }),
    );
    return { arn: Attributes?.QueueArn ?? "", messages: Number(Attributes?.ApproximateNumberOfMessages ?? 0) };
  } catch (error) {
    if (!(error instanceof Error && /QueueDoesNotExist|NonExistentQueue/.test(error.name))) throw error;
    throw new UsageProblem(`There is no queue ${queueName}: this stage has no such mirror, or is not deployed here.`, {
      cause: error,
    });
  }
}
