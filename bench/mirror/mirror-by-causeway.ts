// Runs Causeway's mirror functions, as bundled for AWS, in one process: what Lambda does with the events, instances and all.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

export type Work =
  /** Events of mirror-objects, so many invocations at once. */
  | {
      readonly kind: "small";
      readonly objects: string;
      readonly events: readonly unknown[];
      readonly invocationsAtOnce: number;
    }
  /** One object by the workflow's three functions, all parts as one batch. */
  | {
      readonly kind: "large";
      readonly plan: string;
      readonly batch: string;
      readonly complete: string;
      readonly input: object;
    };

type Handler = (event: unknown, context: object) => Promise<Record<string, unknown>>;

const lambdaMilliseconds = 900_000;
const context = { awsRequestId: "bench", getRemainingTimeInMillis: () => lambdaMilliseconds - performance.now() };

async function load(bundleFolder: string): Promise<Handler> {
  const bundle = (await import(pathToFileURL(`${bundleFolder}/index.mjs`).href)) as { handler: Handler };
  return bundle.handler;
}

async function mirrorSmall(work: Work & { kind: "small" }): Promise<void> {
  const handler = await load(work.objects);
  const queue = [...work.events];
  const instance = async () => {
    for (let event = queue.shift(); event !== undefined; event = queue.shift()) {
      const { batchItemFailures } = await handler(event, context);
      if (JSON.stringify(batchItemFailures) !== "[]")
        throw new Error(`not mirrored: ${JSON.stringify(batchItemFailures)}`);
    }
  };
  await Promise.all(Array.from({ length: work.invocationsAtOnce }, instance));
}

async function mirrorLarge(work: Work & { kind: "large" }): Promise<void> {
  const [plan, batch, complete] = await Promise.all([load(work.plan), load(work.batch), load(work.complete)]);
  const planned = await plan(work.input, context);
  if (planned.outcome !== "copy") throw new Error(`nothing to copy: ${JSON.stringify(planned)}`);
  const { fence, partCount } = planned;
  const range = { number: 1, firstPart: 1, lastPart: partCount };
  const copied = await batch({ ...work.input, fence, idleRounds: 0, batch: range }, context);
  if (copied.state !== "done") throw new Error(`the parts are not done: ${JSON.stringify(copied)}`);
  const completed = await complete({ ...work.input, fence, isUploaded: true }, context);
  if (completed.outcome !== "mirrored") throw new Error(`not mirrored: ${JSON.stringify(completed)}`);
}

const work = JSON.parse(readFileSync(process.argv[2] ?? "", "utf8")) as Work;
await (work.kind === "small" ? mirrorSmall(work) : mirrorLarge(work));
// Connections kept for the next event would hold the process for a while: Lambda freezes it here.
process.exit(0);
