// Entry: whether everything that the API needs is there.
import { defineRoutes } from "../shared/define-routes.ts";
import { readEnvironment } from "../shared/environment.ts";
import { CausewayError } from "../shared/errors.ts";
import { checkAll } from "./check-readiness.ts";
import { checkReadinessEnvironment } from "./config.ts";
import { probesOf } from "./dependencies.store.ts";
import { routes } from "./routes.ts";

export const handler = defineRoutes({
  routes,
  entry: "check-readiness",
  build: () => ({ probes: probesOf(readEnvironment(checkReadinessEnvironment)) }),
  handlers: {
    getReadiness: async (_request, { probes }) => {
      const timing = { now: Date.now, signalAfter: (milliseconds: number) => AbortSignal.timeout(milliseconds) };
      const checks = await checkAll(probes, timing);
      const failed = checks.filter(({ isRequired, state }) => isRequired && state === "failed");
      if (failed.length === 0) return { data: { ready: true as const, checks } };
      const fields = failed.map(({ name, problem = "failed" }) => ({ field: name, problem }));
      const names = failed.map(({ name }) => name).join(", ");
      throw new CausewayError("NotReady", `Not everything that the API needs answers: ${names}.`, {
        details: { fields },
      });
    },
  },
});
