// One call to AWS, tried again while what is wrong may pass: also what the SDK does not try again, such as another's transaction.
import { isPassingAwsError, namedError } from "./aws-errors.ts";
import { retry } from "./retry.ts";

const firstWaitMilliseconds = 10;
const longestWaitMilliseconds = 300;

/**
 * The SDK's own attempts come on top of `mostAttempts`. Throws `AwsUnavailable` when they are used up: what was called may have
 * happened all the same. Throws what does not pass as it came. `random`: 0 to 1.
 */
export async function patientCall<Answer>(
  mostAttempts: number,
  random: () => number,
  call: () => Promise<Answer>,
): Promise<Answer> {
  try {
    return await retry(call, {
      mostAttempts,
      firstWaitMilliseconds,
      longestWaitMilliseconds,
      isRetryable: isPassingAwsError,
      random,
    });
  } catch (error) {
    throw isPassingAwsError(error) ? namedError(error) : error;
  }
}
