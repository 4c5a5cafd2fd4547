// A command that must not be done twice, and whose end is not known: told with the words that find out, and finish it.
import { UsageProblem } from "../usage-problem.ts";
import type { ApiClient } from "./api-client.ts";
import { ApiProblem, isPassing, problemSentence } from "./api-problem.ts";

const exitCodeInterrupted = 130;

/** `key`: the Idempotency-Key that the work is sent with. Ctrl-C ends the command, not what the API may be doing. */
export async function doOnce<Answer>(client: ApiClient, key: string, work: () => Promise<Answer>): Promise<Answer> {
  const again = `Whether it was done is not known. The same command with --key ${key} finds out within a day: it is done once, and what it prints is printed again.`;
  const onSignal = () => {
    process.stderr.write(`\ncauseway: ${again}\n`);
    process.exit(exitCodeInterrupted);
  };
  process.once("SIGINT", onSignal).once("SIGTERM", onSignal);
  try {
    return await work();
  } catch (error) {
    if (!isUnclear(error)) throw error;
    const said = error instanceof ApiProblem ? problemSentence(error, client.connection.again) : error.message;
    throw new UsageProblem(`${said}\n${again}`, { cause: error });
  } finally {
    process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
  }
}

/** What was refused was not done; nor what never left. */
function isUnclear(error: unknown): error is Error {
  if (error instanceof ApiProblem) return error.status >= 500 || error.data.name === "StillWorking";
  return error instanceof UsageProblem && isPassing(error.cause);
}
