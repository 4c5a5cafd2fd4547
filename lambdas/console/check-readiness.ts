// Looks at every dependency at once, each for a bounded time, and says of each how it stands.

export interface Probe {
  /** Such as `table causeway-local-data-Jobs`. */
  readonly name: string;
  /** Whether the API is unready without it. */
  readonly isRequired: boolean;
  /** Rejects where it fails. */
  look(signal: AbortSignal): Promise<void>;
}

export interface Check {
  readonly name: string;
  readonly state: "ok" | "failed";
  readonly isRequired: boolean;
  readonly milliseconds: number;
  readonly problem?: string;
}

export interface Timing {
  now(): number;
  /** A signal that is aborted after so many milliseconds. */
  signalAfter(milliseconds: number): AbortSignal;
}

/** Long enough for a cold connection, short enough for a load balancer that asks. */
const longestLookMilliseconds = 4000;

const longestProblem = 200;

export async function checkAll(probes: readonly Probe[], timing: Timing): Promise<Check[]> {
  return Promise.all(probes.map((probe) => checkOne(probe, timing)));
}

async function checkOne({ name, isRequired, look }: Probe, timing: Timing): Promise<Check> {
  const begun = timing.now();
  const signal = timing.signalAfter(longestLookMilliseconds);
  const tooLong = new Promise<never>((_resolve, reject) => {
    const give = () => reject(new Error(`no answer within ${longestLookMilliseconds} ms`));
    if (signal.aborted) give();
    else signal.addEventListener("abort", give, { once: true });
  });
  const facts = () => ({ name, isRequired, milliseconds: Math.max(0, Math.round(timing.now() - begun)) });
  try {
    await Promise.race([look(signal), tooLong]);
    return { ...facts(), state: "ok" };
  } catch (error) {
    const problem = problemOf(error);
    return { ...facts(), state: "failed", problem };
  }
}

/** By name: AWS's own message may say more than a viewer may read. */
function problemOf(error: unknown): string {
  if (!(error instanceof Error)) return "failed";
  if (/accessdenied|forbidden/i.test(error.name)) return "is not there, or may not be looked at";
  if (/notfound|doesnotexist|nonexistent|nosuch/i.test(error.name)) return "is not there";
  const said = error.name === "Error" || error.name === "TypeError" ? error.message : error.name;
  return said.slice(0, longestProblem);
}
