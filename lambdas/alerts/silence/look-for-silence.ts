// Look for silence: every database, schedule and queue once; what is found is told before it is kept as told.
import { CausewayError, messageOf } from "../../shared/errors.ts";
import {
  checkDatabase,
  checkQueue,
  checkSchedule,
  databasesToCheck,
  type Finding,
  type ScheduleFacts,
  type Watched,
} from "./check-silence.ts";

type Told = Extract<Finding, { readonly detail: unknown }>;

export interface SilencePorts {
  readonly expectedDatabaseIds: readonly string[];
  readonly nothingNewHours: number;
  readonly schedules: readonly string[];
  readonly queues: readonly { readonly url: string; readonly holds: string }[];
  readonly readWatched: () => Promise<readonly Watched[]>;
  readonly readSchedule: (name: string) => Promise<ScheduleFacts>;
  readonly countMessages: (queueUrl: string) => Promise<number>;
  readonly send: (finding: Told) => Promise<void>;
  readonly keep: (finding: Finding, known: Watched | undefined) => Promise<void>;
  /** Milliseconds since 1970. */
  readonly now: number;
}

export interface SilenceReport {
  readonly databases: number;
  readonly schedules: number;
  readonly queues: number;
  /** Items of which something was told. */
  readonly told: readonly string[];
}

/** What one of them could not be asked does not keep the others unasked; at the end it throws the first failure. */
export async function lookForSilence(ports: SilencePorts): Promise<SilenceReport> {
  const watched = new Map((await ports.readWatched()).map((each) => [each.item, each]));
  const databases = databasesToCheck(ports.expectedDatabaseIds, [...watched.values()], ports.now);
  const told: string[] = [];
  const failures: unknown[] = [];
  const check = async (item: string, find: (known: Watched | undefined) => Finding | Promise<Finding>) => {
    try {
      const known = watched.get(item);
      const finding = await find(known);
      // Sent first: told twice is better than never.
      if (finding.name !== null) {
        await ports.send(finding);
        told.push(item);
      }
      await ports.keep(finding, known);
    } catch (error) {
      failures.push(error);
    }
  };
  for (const id of databases) {
    await check(`database#${id}`, (known) => checkDatabase(id, known, ports.nothingNewHours, ports.now));
  }
  for (const name of ports.schedules) {
    await check(`schedule#${name}`, async (known) => checkSchedule(await ports.readSchedule(name), known, ports.now));
  }
  for (const { url, holds } of ports.queues) {
    const name = url.slice(url.lastIndexOf("/") + 1);
    await check(`queue#${name}`, async (known) =>
      checkQueue({ name, holds, messages: await ports.countMessages(url) }, known, ports.now),
    );
  }
  const [first] = failures;
  if (first !== undefined) {
    if (failures.length === 1) throw first;
    throw new CausewayError("AwsUnavailable", `${failures.length} checks failed; the first: ${messageOf(first)}`, {
      cause: first,
    });
  }
  return { databases: databases.length, schedules: ports.schedules.length, queues: ports.queues.length, told };
}
