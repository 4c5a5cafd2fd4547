// What every operation gets: the state of the service, and one call.
import type { Principal, ServiceContext } from "../gateway/service.ts";
import type { Catalogue } from "./catalogue.ts";
import type { ExportRunner } from "./export-runner.ts";
import type { ExportTasks } from "./export-tasks.ts";
import type { FormParameters } from "./query-protocol.ts";
import type { Troubles } from "./trouble.ts";

/** What the export leans on outside of RDS. */
export interface RdsPorts {
  readonly permissions: {
    /** Throws ServiceError AccessDenied. */
    assumeRole(roleArn: string, service: string, sourceArn?: string): Principal;
  };
  /** Throws ServiceError NotFoundException. */
  readonly keyArnOf: (keyId: string) => string;
  /** Of the gateway; known once it listens. */
  readonly endpointUrl: () => string;
  /** A sentence that the operator should read. */
  readonly onProblem: (sentence: string) => void;
}

export interface RdsState {
  readonly context: ServiceContext;
  readonly ports: RdsPorts;
  readonly catalogue: Catalogue;
  readonly tasks: ExportTasks;
  readonly runner: ExportRunner;
  readonly troubles: Troubles;
}

export interface RdsCall {
  readonly principal: Principal;
  readonly parameters: FormParameters;
}
