// Changes of groups, prices, settings and roll-ups, by operation: what change-relay.lambda.ts answers.
import type { RoutesDefinition } from "../../shared/define-routes.ts";
import { CausewayError } from "../../shared/errors.ts";
import type { Job } from "../../shared/jobs.ts";
import { wrongInput } from "../../shared/wrong-input.ts";
import { checkRebuild, formerAfter, recordDaysSince } from "../counting/rebuild.ts";
import type { Snapshot } from "../scheduling/snapshot.ts";
import type { SettingsStore } from "../settings.store.ts";
import type { accountRoutes } from "./account-routes.ts";
import { demandEmptyGroup, listGroups } from "./list-accounts.ts";
import { newOverride, readPriceId, shownPrice } from "./prices.ts";
import type { usageRoutes } from "./usage-routes.ts";

export interface ChangeRelayPorts {
  now(): number;
  tagOf(version: number): string;
  snapshot(): Promise<Snapshot>;
  readonly store: SettingsStore;
  /** Begins it; nobody waits for its end. `from`, `to`: RFC 3339. */
  rebuild(range: Range): Promise<void>;
  /** Enters the job and begins it. */
  putJob(job: Job): Promise<void>;
  beginExport(wanted: Range & { readonly jobId: string; readonly format: string }): Promise<void>;
}

interface Range {
  readonly from: string;
  readonly to: string;
}

const dayMilliseconds = 24 * 3_600_000;
const mostExportDays = 31;

/** Before anything is entered: nobody waits for a job that cannot be done. */
function demandRange({ from, to }: Range): void {
  const days = (Date.parse(to) - Date.parse(from)) / dayMilliseconds;
  if (days > 0 && days <= mostExportDays) return;
  const problem = days <= 0 ? "Give an end behind the beginning." : `Export at most ${mostExportDays} days at once.`;
  throw wrongInput([{ field: "body.to", problem }]);
}

type Routes = readonly [...typeof accountRoutes, ...typeof usageRoutes];
type Handlers = RoutesDefinition<Routes, "change-relay", ChangeRelayPorts>["handlers"];

export const changeRelayHandlers: Handlers = {
  putRelayGroup: async ({ path: { group }, body }, { store, snapshot }) => {
    await store.putGroup({ group, ...body });
    const { accounts } = await snapshot();
    const [shown] = listGroups({ groups: [{ group, ...body }], accounts }).filter((each) => each.group === group);
    return { data: { group, ...body, accounts: shown?.accounts ?? [] } };
  },
  deleteRelayGroup: async ({ path: { group } }, { store, snapshot }) => {
    demandEmptyGroup(group, await snapshot());
    await store.removeGroup(group);
    return { data: { group } };
  },
  putRelayPrice: async ({ body, audit }, { store, now }) => {
    const price = newOverride(body, now());
    await store.putOverride(price);
    audit.note({ platform: price.platform, model: price.model, effectiveFrom: price.effectiveFrom });
    return { data: shownPrice(price, true, now()) };
  },
  deleteRelayPrice: async ({ path: { priceId }, audit }, { store }) => {
    const name = readPriceId(priceId);
    audit.note(name);
    if (!(await store.removeOverride(name))) throw new CausewayError("NotFound", "There is no such override.");
    return { data: { priceId } };
  },
  changeRelaySettings: async ({ body, ifMatch, audit }, { store, tagOf, now }) => {
    const before = await store.settings();
    ifMatch.demandVersion(before.version);
    const known = { recordDays: before.settings.recordDays, former: before.formerRecordDays ?? [] };
    const version = await store.putSettings(body, before.version, formerAfter(known, body.recordDays, now()));
    audit.note({ version });
    return { data: body, etag: tagOf(version) };
  },
  rebuildRelayUsage: async ({ body, audit }, { store, rebuild, now }) => {
    const { settings, formerRecordDays = [] } = await store.settings();
    const range = { from: Date.parse(body.from), to: Date.parse(body.to) };
    checkRebuild(range, recordDaysSince(range.from, settings.recordDays, formerRecordDays), now());
    audit.note(body);
    await rebuild(body);
    const window = new URLSearchParams({ from: body.from, to: body.to });
    return { data: body, location: `/api/relay/usage?${window}` };
  },
  exportRelayUsage: async ({ body, workId: jobId, audit }, { putJob, beginExport, now }) => {
    demandRange(body);
    audit.note({ jobId, ...body });
    const at = new Date(now()).toISOString();
    const job = { jobId, kind: "relay-usage-export", state: "queued", phase: "Waiting" } as const;
    await putJob({ ...job, startedAt: at, heartbeatAt: at });
    await beginExport({ jobId, ...body });
    return { data: { jobId }, location: `/api/jobs/${jobId}` };
  },
};
