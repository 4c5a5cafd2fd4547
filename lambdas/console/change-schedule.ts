// A schedule as it is shown, and its change: what is wanted is kept first, then Scheduler is told.
import { CausewayError, isErrorNamed } from "../shared/errors.ts";
import type { ScheduleSettings } from "./schedule-fields.ts";
import type { RunningSchedule } from "./scheduler.store.ts";
import type { WantedSchedule } from "./schedules.store.ts";

export interface ScheduleView extends ScheduleSettings {
  readonly name: string;
  readonly description: string;
  readonly wanted?: WantedSchedule;
  readonly isAsWanted: boolean;
  readonly etag: string;
}

export interface ScheduleReading {
  /** The names of this stage's schedules; whatever else Scheduler has is none of ours. */
  readonly known: readonly string[];
  read(name: string): Promise<RunningSchedule>;
  wanted(name: string): Promise<WantedSchedule | undefined>;
  tagOf(content: string): string;
}

export interface SchedulePorts extends ScheduleReading {
  /** With its audit item; throws `PreconditionFailed` where another change came first. */
  want(name: string, wanted: WantedSchedule, before: ScheduleSettings): Promise<void>;
  change(running: RunningSchedule, settings: ScheduleSettings): Promise<void>;
}

/** Throws `NotFound`. */
export async function viewSchedule(name: string, ports: ScheduleReading): Promise<ScheduleView> {
  return (await lookUp(name, ports)).view;
}

/** By name. A schedule that somebody deleted by hand is left out. */
export async function viewSchedules(ports: ScheduleReading): Promise<ScheduleView[]> {
  const views = await Promise.all(
    ports.known.toSorted().map((name) =>
      viewSchedule(name, ports).catch((error: unknown) => {
        if (isErrorNamed(error, "NotFound")) return undefined;
        throw error;
      }),
    ),
  );
  return views.filter((view) => view !== undefined);
}

/** Throws `PreconditionFailed`, `NotFound`, or `InputInvalid` where Scheduler does not take the expression. */
export async function changeSchedule(
  name: string,
  change: { readonly settings: ScheduleSettings; readonly at: string; readonly by: string },
  demand: (presentTag: string) => void,
  ports: SchedulePorts,
): Promise<ScheduleView> {
  const { view, running } = await lookUp(name, ports);
  demand(view.etag);
  const { settings, at, by } = change;
  const wanted: WantedSchedule = { ...settings, at, by, version: (view.wanted?.version ?? 0) + 1 };
  await ports.want(name, wanted, running.settings);
  await ports.change(running, settings);
  return viewOf({ ...running, settings }, wanted, ports);
}

async function lookUp(name: string, ports: ScheduleReading) {
  if (!ports.known.includes(name)) throw new CausewayError("NotFound", `There is no schedule ${name}.`);
  const [running, wanted] = await Promise.all([ports.read(name), ports.wanted(name)]);
  return { running, view: viewOf(running, wanted, ports) };
}

function viewOf(
  { name, description, settings }: RunningSchedule,
  wanted: WantedSchedule | undefined,
  ports: Pick<ScheduleReading, "tagOf">,
): ScheduleView {
  const { enabled, expression, timeZone } = settings;
  return {
    name,
    description,
    ...settings,
    ...(wanted !== undefined && { wanted }),
    isAsWanted: wanted === undefined || isSame(settings, wanted),
    // A deployment changes what runs, the API what is wanted: either makes another version.
    etag: ports.tagOf(JSON.stringify([enabled, expression, timeZone, wanted?.version ?? 0])),
  };
}

function isSame(left: ScheduleSettings, right: ScheduleSettings): boolean {
  return left.enabled === right.enabled && left.expression === right.expression && left.timeZone === right.timeZone;
}
