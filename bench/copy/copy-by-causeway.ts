// Runs Causeway's copy Lambda, as bundled for AWS, once over all parts: what Lambda does with an event.
import { pathToFileURL } from "node:url";

const [bundleFolder = "", eventText = ""] = process.argv.slice(2);

interface Bundle {
  handler(
    event: unknown,
    context: { awsRequestId: string; getRemainingTimeInMillis(): number },
  ): Promise<{ state: string }>;
}

const { handler } = (await import(pathToFileURL(`${bundleFolder}/index.mjs`).href)) as Bundle;
const lambdaMilliseconds = 900_000;
const result = await handler(JSON.parse(eventText), {
  awsRequestId: "bench",
  getRemainingTimeInMillis: () => lambdaMilliseconds - performance.now(),
});
if (result.state !== "done") throw new Error(`the copy is not done: ${JSON.stringify(result)}`);
// Connections kept for the next event would hold the process for a while: Lambda freezes it here.
process.exit(0);
