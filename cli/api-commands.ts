// The commands that talk to the HTTP API: their words, options and help. Each loads what it needs when it is run.
import { Argument, type Command } from "commander";
import {
  apiOptions,
  type Common,
  group,
  type Listing,
  listOptions,
  type Started,
  startOptions,
  waitOptions,
  withApi,
} from "./api-options.ts";
import { addRelayCommands } from "./relay-commands.ts";

type Starting = Started & { readonly force?: boolean };
type Window = { readonly from?: string; readonly until?: string };

function windowOptions(command: Command): Command {
  return command
    .option("--from <time>", "backups begun from then on, such as 2026-11-01; at most 31 days in all")
    .option("--until <time>", "backups begun until then; default: now");
}

const replication = () => import("./commands/replication-commands.ts");
const jobs = () => import("./commands/job-commands.ts");
const others = () => import("./commands/other-commands.ts");

/** `mirror`: the group that other commands belong to, too. */
export function addApiCommands(program: Command, mirror: Command): void {
  addSignIn(program);
  addCopies(program);
  addExports(program);
  addJobs(program);
  addRelayCommands(program);
  startOptions(mirror.command("reconcile"))
    .description("compares S3 with OSS, copies what is missing there, and reports what only OSS has")
    .option("--prefix <text>", "only keys that begin so, such as mysql/rm-bp1example/")
    .option("--read-data", "read and sum every object on both sides anew: slow, and paid for by the byte")
    .action((options: Starting & { prefix?: string; readData?: boolean }) =>
      withApi(options, async (client) => (await replication()).reconcileMirror(client, options)),
    );
  addOthers(program);
}

function addSignIn(program: Command): void {
  apiOptions(program.command("login"))
    .description(
      "signs you in to an API: prints the address to open, and keeps the sign-in for later commands in a file that only you can read",
    )
    .option("--browser", "open the address in the browser as well", false)
    .option(
      "--client-credentials",
      "sign a machine in, with CAUSEWAY_CLIENT_ID and CAUSEWAY_CLIENT_SECRET; its secret is not kept",
      false,
    )
    .action(async (options: Common & { browser: boolean; clientCredentials: boolean }) =>
      (await import("./commands/sign-in-commands.ts")).signIn(options),
    );
  apiOptions(program.command("logout"))
    .description("forgets the sign-in to an API, and makes its refresh token worthless")
    .action(async (options: Common) => (await import("./commands/sign-in-commands.ts")).signOut(options));
}

function addCopies(program: Command): void {
  windowOptions(listOptions(program.command("backups")))
    .argument("[instance]", "an instance of Aliyun RDS; without it: which instances there are")
    .description("what Aliyun has now: instances, or one instance's backups, each with whether it would be copied")
    .action((instance: string | undefined, options: Listing & Window) =>
      withApi(options, async (client) => (await replication()).listBackups(client, instance, options)),
    );
  const copies = group(program, "copies", "copies of Aliyun's backups in S3");
  listOptions(copies.command("list"))
    .description("lists copies, the last changed first")
    .option("--only <state>", "only those in this state: copying, verified, copied-unverified, failed")
    .option("--instance <id>", "only of this instance")
    .option("--engine <name>", "only of this engine, such as mysql")
    .action((options: Listing & { only?: string; instance?: string; engine?: string }) =>
      withApi(options, async (client) => (await replication()).listCopies(client, options)),
    );
  windowOptions(startOptions(copies.command("start")))
    .argument("<instance>", "the instance of Aliyun RDS")
    .argument("<backups...>", "ids of its backups; npx causeway backups <instance> lists them")
    .option("--force", "copy again what was copied before, and replace it")
    .description("copies backups to S3: a run of its own")
    .action((instance: string, backups: string[], options: Starting & Window) =>
      withApi(options, async (client) => (await replication()).startCopies(client, instance, backups, options)),
    );
  apiOptions(copies.command("show"))
    .argument("<copy>", "its id, such as aliyun-rds:rm-bp1example:321020562")
    .description("one copy with its receipts; --json prints the signed receipts themselves")
    .action((copy: string, options: Common) =>
      withApi(options, async (client) => (await replication()).showCopy(client, copy, options)),
    );
}

function addExports(program: Command): void {
  listOptions(program.command("snapshots"))
    .description("what RDS has now: every snapshot, with what the next run of exports would do with it, and why")
    .option("--database <id>", "only of this DB instance or cluster")
    .option(
      "--verdict <verdict>",
      "only those of this verdict: export, refused, set-aside, superseded, already-exported",
    )
    .action((options: Listing & { database?: string; verdict?: string }) =>
      withApi(options, async (client) => (await replication()).listSnapshots(client, options)),
    );
  const exports = group(program, "exports", "exports of RDS snapshots in S3");
  listOptions(exports.command("list"))
    .description("lists exports, the last changed first")
    .option(
      "--only <state>",
      "only those in this state: waiting, running, complete, partial, failed, cancelled, refused",
    )
    .action((options: Listing & { only?: string }) =>
      withApi(options, async (client) => (await replication()).listExports(client, options)),
    );
  startOptions(exports.command("start"))
    .argument("[snapshots...]", "ARNs of snapshots; none: whatever is due")
    .option("--force", "export again what was exported before")
    .description("exports RDS snapshots to S3; RDS bills each by the gigabyte of the snapshot")
    .action((snapshots: string[], options: Starting) =>
      withApi(options, async (client) => (await replication()).startExports(client, snapshots, options)),
    );
  apiOptions(exports.command("show"))
    .argument("<export>", "its id, as exports list prints it")
    .description("one export; --json prints its signed receipt as well")
    .action((id: string, options: Common) =>
      withApi(options, async (client) => (await replication()).showExport(client, id, options)),
    );
}

function addJobs(program: Command): void {
  const commands = group(
    program,
    "jobs",
    "everything that takes a while: runs of copies and exports, the mirror's large objects",
  );
  const id = () => new Argument("<job>", "its id, as jobs list prints it");
  listOptions(commands.command("list"))
    .description("lists jobs, the newest first")
    .option(
      "--kind <kind>",
      "only of this kind: replication-run, snapshot-export, mirror-object, mirror-reconciliation",
    )
    .option(
      "--only <state>",
      "only those in this state: queued, running, succeeded, succeeded-with-warnings, failed, cancelled",
    )
    .action((options: Listing & { kind?: string; only?: string }) =>
      withApi(options, async (client) => (await jobs()).listJobs(client, options)),
    );
  waitOptions(commands.command("show"))
    .addArgument(id())
    .description("one job with its progress, and what became of everything in it")
    .action((job: string, options: Starting) =>
      withApi(options, async (client) => (await jobs()).showJob(client, job, options)),
    );
  waitOptions(commands.command("cancel"))
    .addArgument(id())
    .description("asks a job to end; what was copied stays")
    .action((job: string, options: Starting) =>
      withApi(options, async (client) => (await jobs()).cancelJob(client, job, options)),
    );
  waitOptions(commands.command("redrive"))
    .addArgument(id())
    .description("goes on with a job that failed, was stopped or ran out of time, from where it stood")
    .action((job: string, options: Starting) =>
      withApi(options, async (client) => (await jobs()).redriveJob(client, job, options)),
    );
}

function addOthers(program: Command): void {
  const alerts = group(program, "alerts", "who is told of what");
  apiOptions(alerts.command("test"))
    .argument("<channel>", "a channel's name; npx causeway alerts rules lists them")
    .description("sends a marked test through a channel; exit code 1 when it was not taken")
    .action((channel: string, options: Common) =>
      withApi(options, async (client) => (await others()).testAlert(client, channel, options)),
    );
  apiOptions(alerts.command("rules"))
    .description("lists the rules as they are in force, and the channels")
    .action((options: Common) => withApi(options, async (client) => (await others()).listAlertRules(client, options)));
  apiOptions(program.command("health"))
    .description("whether the API answers; needs no sign-in")
    .action((options: Common) => withApi(options, async (client) => (await others()).showHealth(client, options)));
  apiOptions(program.command("ready"))
    .description("whether everything that the API needs is there; exit code 1 when something is not")
    .action((options: Common) => withApi(options, async (client) => (await others()).showReadiness(client, options)));
}
