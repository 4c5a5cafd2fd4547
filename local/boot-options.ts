// What a local cloud is booted with.
import type { FrontPorts } from "./front-doors.ts";
import type { PoolLimits } from "./lambda/thread-pool.ts";
import type { ExportPace } from "./rds/export-runner.ts";
import type { Clock } from "./rig/clock.ts";
import type { Faults } from "./rig/faults.ts";

export interface BootOptions {
  /** A synthesised app: `cdk.out`. */
  readonly assemblyDirectory: string;
  /** Endings of the names of the stacks that run, such as `data`; absent: all. What they import must be among them. */
  readonly onlyStacks?: readonly string[];
  /** Everything that survives a restart lies here. Made when missing. */
  readonly stateDirectory: string;
  /** Default: the machine's time. */
  readonly clock?: Clock;
  readonly faults?: Faults;
  /** Of the AWS services; 0 or absent: any free one. */
  readonly port?: number;
  /** Values of template parameters, as `cdk deploy --parameters [Stack:]Name=value` would give them. */
  readonly parameters?: Readonly<Record<string, string>>;
  /** Another DynamoDB-compatible server in the place of the one that comes along. */
  readonly dynamodbEndpoint?: string;
  /** S3's is 5 MiB, OSS's 100 KiB; tests of part limits set both lower, and the stacks' parameter SmallestPartBytes. */
  readonly smallestPartBytes?: number;
  /** Of the Aliyun stand-in; absent: any free ones. Links outlive a restart only at the same port. */
  readonly aliyunPorts?: { readonly rpc: number; readonly download: number };
  /** Of Aliyun OSS; 0 or absent: any free one. */
  readonly ossPort?: number;
  /** Made in OSS at boot, besides those that a function of the templates is told about (OSS_BUCKET). */
  readonly ossBuckets?: readonly string[];
  /** How long a download link of the Aliyun stand-in works. */
  readonly aliyunLinkSeconds?: number;
  /** How long exports of RDS snapshots take, in cloud time. */
  readonly rdsExportPace?: ExportPace;
  /** Of the stand-in for WeCom's robots and webhooks; absent: any free one. Their URLs outlive a restart only there. */
  readonly wecomPort?: number;
  /** Of the stand-in for the providers of AI; absent: any free one. Accounts that name it outlive a restart only there. */
  readonly aiUpstreamPort?: number;
  /** Of the REST APIs and the sign-in; absent: any free ones. */
  readonly frontPorts?: FrontPorts;
  readonly lambdaLimits?: PoolLimits & { readonly accountConcurrency?: number };
  /** One line of a function's output; it is in `<stateDirectory>/logs/<function>.log` as well. */
  readonly onLog?: (functionName: string, line: string) => void;
  /** A sentence that the operator should read. */
  readonly onNotice?: (sentence: string) => void;
}
