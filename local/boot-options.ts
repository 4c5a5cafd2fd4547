// What a local cloud is booted with.
import type { PoolLimits } from "./lambda/thread-pool.ts";
import type { Clock } from "./rig/clock.ts";
import type { Faults } from "./rig/faults.ts";

export interface BootOptions {
  /** A synthesised app: `cdk.out`. */
  readonly assemblyDirectory: string;
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
  /** S3's is 5 MiB; tests of part limits set it lower, and the stacks' parameter SmallestPartBytes with it. */
  readonly smallestPartBytes?: number;
  /** Of the Aliyun stand-in; absent: any free ones. Links outlive a restart only at the same port. */
  readonly aliyunPorts?: { readonly rpc: number; readonly download: number };
  /** How long a download link of the Aliyun stand-in works. */
  readonly aliyunLinkSeconds?: number;
  readonly lambdaLimits?: PoolLimits & { readonly accountConcurrency?: number };
  /** One line of a function's output; it is in `<stateDirectory>/logs/<function>.log` as well. */
  readonly onLog?: (functionName: string, line: string) => void;
  /** A sentence that the operator should read. */
  readonly onNotice?: (sentence: string) => void;
}
