// The commands of the relay that tell what was used: tables, single records, files of them, and what a key's holder sees.
import { type Command, Option } from "commander";
import type { ItemOf } from "./api/operations.ts";
import { apiOptions, type Common, listOptions, type Started, startOptions, withApi } from "./api-options.ts";
import type { ExportOptions, OwnOptions, RecordsOptions, UsageOptions } from "./commands/relay-usage-commands.ts";

const usage = () => import("./commands/relay-usage-commands.ts");

function filterOptions(command: Command): Command {
  return command
    .option("--only-key <key>", "only of this client key: its id")
    .option("--only-account <account>", "only of this upstream account: its id or its name")
    .option("--only-model <model>", "only of this model, by its full name");
}

const outcomes: readonly ItemOf<"listRelayRecords">["outcome"][] = [
  "ok",
  "budget",
  "deadline",
  "client-gone",
  "upstream-error",
  "refused",
  "lease-expired",
  "relay-error",
];

export function addRelayUsageCommands(relay: Command): void {
  const windowOptions = (command: Command) =>
    command
      .option("--from <time>", "such as 2026-11-01; default: 30 days before the end")
      .option("--to <time>", "not part of it; default: now");
  const table = filterOptions(windowOptions(apiOptions(relay.command("usage").enablePositionalOptions())))
    .description("what was used and charged, with its total")
    .option(
      "--by <dimensions>",
      "one or two of key, account, model, provider, platform, hour, day, month, such as key,model; at most one of time",
      "day",
    )
    .option("--csv", "print CSV instead, for a spreadsheet", false)
    .action((options: UsageOptions & Common) =>
      withApi(options, async (client) => (await usage()).showUsage(client, options)),
    );
  startOptions(table.command("export"))
    .description("writes the single records of up to 31 days into a file in S3, in the backups bucket: a job")
    .requiredOption("--from <time>", "such as 2026-11-01")
    .option("--to <time>", "not part of it; default: now")
    .addOption(new Option("--format <format>", "of the file").choices(["csv", "parquet"]).default("csv"))
    .action((options: ExportOptions & Started) =>
      withApi(options, async (client) => (await usage()).exportUsage(client, options)),
    );
  filterOptions(listOptions(relay.command("records")))
    .description("single requests, refused and failed ones too, the newest first; never a prompt or an answer")
    .option("--from <time>", "such as 2026-11-01; default: a day before the end")
    .option("--to <time>", "not part of it; default: now")
    .addOption(new Option("--outcome <outcome>", "only those that ended so").choices(outcomes))
    .action((options: RecordsOptions & Common) =>
      withApi(options, async (client) => (await usage()).listRecords(client, options)),
    );
  windowOptions(apiOptions(relay.command("me")))
    .description("for the holder of a client key: its limits, what is left of them, and what it used; needs no sign-in")
    .option("--key-from-env <name>", "the environment variable that holds the key; default: CAUSEWAY_RELAY_KEY")
    .option("--key-from-file <file>", "the file that holds it; -: standard input")
    .action((options: OwnOptions & Common) =>
      withApi(options, async (client) => (await usage()).showMe(client, options)),
    );
}
