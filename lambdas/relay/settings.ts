// Settings of the running relay: changed over the API, read with the snapshot, in effect within seconds without redeploy.
import * as z from "zod";

const logLevel = z.enum(["DEBUG", "INFO", "WARN", "ERROR"]);

export const relaySettingsSchema = z.strictObject({
  /** By category, as in the design: the program, requests, roll-ups, scheduling. */
  logLevels: z
    .strictObject({
      main: logLevel.default("INFO"),
      proxy: logLevel.default("INFO"),
      sync: logLevel.default("INFO"),
      scheduler: logLevel.default("INFO"),
    })
    .prefault({}),
  /** A session stays with its account so long after its last use; renewed when less than half is left. */
  stickyMinutes: z
    .int()
    .min(1)
    .max(7 * 24 * 60)
    .default(60),
  /** Accounts tried for one request, before its first byte. */
  mostAccountsTried: z.int().min(1).max(10).default(3),
  /** Default algorithm; a group may have its own. */
  algorithm: z.enum(["round-robin", "weighted-random", "least-connections", "response-time"]).default("round-robin"),
  connectMilliseconds: z.int().min(100).max(60_000).default(10_000),
  firstByteMilliseconds: z.int().min(1000).max(600_000).default(300_000),
  silenceMilliseconds: z.int().min(1000).max(600_000).default(290_000),
  pingMilliseconds: z.int().min(1000).max(60_000).default(12_000),
  /** Output tokens reserved at once for streams with visible output; the next slice is asked for at 25 % left. */
  sliceTokens: z.int().min(256).max(131_072).default(4096),
  /** Bytes per token of input for keys that estimate `typical`; thousandths. */
  typicalBytesPerTokenThousandths: z.int().min(1000).max(8000).default(2500),
  recordDays: z.int().min(1).max(3650).default(90),
  /** Minutes between tests of each account; 0: never. */
  probeMinutes: z
    .int()
    .min(0)
    .max(24 * 60)
    .default(0),
  rollUpSeconds: z.int().min(10).max(300).default(60),
});

export type RelaySettings = z.output<typeof relaySettingsSchema>;
