// Runs one or a few services of the local cloud behind a real gateway, for tests that use the vendor's own client.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Gateway, startGateway } from "../../local/gateway/gateway.ts";
import { type LocalService, type Principal, type ServiceContext, ServiceError } from "../../local/gateway/service.ts";
import { Clock, type ClockOptions } from "../../local/rig/clock.ts";
import { Faults } from "../../local/rig/faults.ts";

export const region = "eu-central-1";
export const accountId = "111122223333";

export const operator: Principal = {
  arn: `arn:aws:iam::${accountId}:user/operator`,
  accessKeyId: "AKIAOPERATOR",
  secretAccessKey: "operator-secret",
};

export interface AuthorizedCall {
  readonly principalArn: string;
  readonly action: string;
  readonly resource: string;
  readonly conditions: Readonly<Record<string, string>> | undefined;
}

export interface ServiceRig<Services> {
  readonly services: Services;
  readonly context: ServiceContext;
  readonly clock: Clock;
  readonly faults: Faults;
  /** Every question asked of IAM, oldest first. */
  readonly authorized: AuthorizedCall[];
  /** Actions refused from now on. */
  readonly denied: Set<string>;
  readonly defects: unknown[];
  /** Changes when the rig restarts. */
  readonly url: string;
  /** What every client of the AWS SDK takes; ask anew after the clock was moved, as signatures carry the time. */
  clientSettings(): {
    region: string;
    endpoint: string;
    credentials: { accessKeyId: string; secretAccessKey: string };
    maxAttempts: number;
    systemClockOffset: number;
  };
  /** Closes the services and starts new ones on the same state. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

export async function startServiceRig<Services extends Readonly<Record<string, LocalService>>>(
  create: (context: ServiceContext) => Services,
  clockOptions: ClockOptions = {},
): Promise<ServiceRig<Services>> {
  const stateDirectory = mkdtempSync(join(tmpdir(), "causeway-service-"));
  const clock = new Clock(clockOptions);
  const faults = new Faults();
  const authorized: AuthorizedCall[] = [];
  const denied = new Set<string>();
  const defects: unknown[] = [];
  const context: ServiceContext = {
    clock,
    faults,
    region,
    accountId,
    stateDirectory,
    authorize: (principal, action, resource, conditions) => {
      authorized.push({ principalArn: principal.arn, action, resource, conditions });
      if (denied.has(action)) throw new ServiceError(403, "AccessDenied", `${principal.arn} may not ${action}`);
    },
  };
  let services = create(context);
  const open = (): Promise<Gateway> =>
    startGateway({
      services: Object.values(services),
      principalOf: (accessKeyId) => (accessKeyId === operator.accessKeyId ? operator : undefined),
      clock,
      faults,
      onDefect: (error) => defects.push(error),
    });
  let gateway = await open();
  return {
    get services() {
      return services;
    },
    context,
    clock,
    faults,
    authorized,
    denied,
    defects,
    get url() {
      return gateway.url;
    },
    clientSettings: () => ({
      region,
      endpoint: gateway.url,
      credentials: { accessKeyId: operator.accessKeyId, secretAccessKey: operator.secretAccessKey },
      maxAttempts: 1,
      systemClockOffset: Math.round(clock.now() - Date.now()),
    }),
    async restart() {
      await gateway.close();
      services = create(context);
      gateway = await open();
    },
    async close() {
      await gateway.close();
      clock.close();
      rmSync(stateDirectory, { recursive: true, force: true });
    },
  };
}
