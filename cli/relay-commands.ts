// The commands of the relay: their words, options and help. Secrets come from the environment, a file or a prompt, never as an argument.
import { Argument, type Command, Option } from "commander";
import { apiOptions, type Common, group, type Listing, listOptions, withApi } from "./api-options.ts";
import type { AccountOptions, AccountView } from "./commands/relay-account-fields.ts";
import type { SecretOptions } from "./commands/relay-credential.ts";
import type { PolicyOptions } from "./commands/relay-key-policy.ts";
import { addRelayAdminCommands } from "./relay-admin-commands.ts";
import { addRelayUsageCommands } from "./relay-usage-commands.ts";

const balances = () => import("./commands/relay-balance-commands.ts");
const keys = () => import("./commands/relay-key-commands.ts");
const accounts = () => import("./commands/relay-account-commands.ts");

const accountStates: readonly AccountView["condition"]["state"][] = [
  "healthy",
  "rate-limited",
  "overloaded",
  "failing",
  "quota-spent",
  "unauthorised",
  "blocked",
];

const keyArgument = () => new Argument("<key>", "its id, as relay keys list prints it");
const accountArgument = () => new Argument("<account>", "its id or its name, as relay accounts list prints them");

export function addRelayCommands(program: Command): void {
  // `relay usage` and `relay usage export` have options of the same names: each takes those behind its own word.
  program.enablePositionalOptions();
  const relay = group(program, "relay", "AI API calls: client keys with budgets, upstream accounts, usage and cost");
  relay.enablePositionalOptions();
  const keyCommands = group(relay, "keys", "client keys: what their holders may do and spend");
  addKeys(keyCommands);
  addKeyChanges(keyCommands);
  addAccounts(group(relay, "accounts", "upstream accounts: whose credentials pay for the calls"));
  addRelayUsageCommands(relay);
  addRelayAdminCommands(relay);
}

function policyOptions(command: Command): Command {
  return command
    .option("--owner <text>", "who uses it: a person, a team, a program")
    .option("--tag <tags...>", "tags, to find it by")
    .option("--expires <time>", "such as 2026-12-31; never: it does not expire")
    .option("--days-from-first-use <days>", "expires so many days after its first request")
    .option("--platform <platforms...>", "only these: anthropic, openai, gemini; all: every one")
    .option("--model <patterns...>", "only these models; * stands for any text; all: every one")
    .option("--address <ranges...>", "only from these addresses or CIDR ranges; all: from anywhere")
    .option("--account <account>", "served by this account alone: its id or its name; any: by all")
    .option("--group <name>", "served by this group of accounts alone; any: by all")
    .option("--requests-per-minute <count>", "none: no limit")
    .option("--tokens-per-minute <count>", "none: no limit")
    .option("--concurrency <streams>", "requests at once, at most 100; a new key has 20")
    .option(
      "--waiting <seconds,line>",
      "instead of a refusal at --concurrency: waits so long, in a line of so many, such as 10,5; none: refused at once",
    )
    .option("--per-day <dollars>", "cost per day; none: no limit")
    .option("--per-week <dollars>", "cost per week, from Monday on; none: no limit")
    .option("--per-month <dollars>", "cost per month; none: no limit")
    .option("--total <dollars>", "cost in all; none: no limit")
    .option("--family <limits...>", "cost of one family of models, such as opus.week=50; opus.week=none: no limit")
    .option("--time-zone <name>", "whose days, weeks and months these are, such as Asia/Shanghai; a new key has UTC")
    .option("--multiplier <factor>", "charged cost = list price × this, such as 1.2")
    .option("--estimate <kind>", "how input is estimated before it is sent: strict or typical")
    .option("--unknown-price <dollars>", "what a request to a model without a price is charged; none: it is refused")
    .option("--prepaid", "requests need a balance, which relay keys top-up fills")
    .option("--no-prepaid", "requests need none");
}

function addKeys(commands: Command): void {
  listOptions(commands.command("list"))
    .description("lists client keys, the newest first")
    .option("--owner <text>", "only of this owner")
    .option("--tag <tag>", "only with this tag")
    .addOption(new Option("--only <state>", "only those").choices(["enabled", "disabled", "deleted"]))
    .action((options: Listing & { owner?: string; tag?: string; only?: string }) =>
      withApi(options, async (client) => (await keys()).listKeys(client, options)),
    );
  policyOptions(apiOptions(commands.command("create")))
    .argument("<names...>", "a name for each key; with several, all get the same limits")
    .description("makes client keys, and prints them: this once, they are stored nowhere")
    .option("--balance <dollars>", "of a prepaid key: what it begins with")
    .option("--disabled", "made, but not switched on yet")
    .option(
      "--key <text>",
      "an Idempotency-Key: within a day, the same one makes nothing twice, and prints the same keys",
    )
    .action((names: string[], options: PolicyOptions & Common & { balance?: string; disabled?: true; key?: string }) =>
      withApi(options, async (client) => (await keys()).createKeys(client, names, options)),
    );
  apiOptions(commands.command("show"))
    .addArgument(keyArgument())
    .description("one client key: its limits, what is used of them, and when they begin anew")
    .action((key: string, options: Common) =>
      withApi(options, async (client) => (await keys()).showKey(client, key, options)),
    );
  policyOptions(apiOptions(commands.command("update")))
    .addArgument(keyArgument())
    .description("changes what is given, and leaves the rest; counts at the next request")
    .option("--name <text>", "another name")
    .action((key: string, options: PolicyOptions & Common & { name?: string }) =>
      withApi(options, async (client) => (await keys()).updateKey(client, key, options)),
    );
}

function addKeyChanges(commands: Command): void {
  const switches = {
    enable: "switches a client key on",
    disable: "switches a client key off: new requests are refused at once, running ones end at their next slice",
    delete: "deletes a client key; relay keys restore takes it back, and its usage stays",
    restore: "takes the deletion of a client key back",
  } as const;
  for (const verb of ["enable", "disable", "delete", "restore"] as const) {
    apiOptions(commands.command(verb))
      .addArgument(keyArgument())
      .description(switches[verb])
      .action((key: string, options: Common) =>
        withApi(options, async (client) => (await keys()).switchKey(client, verb, key, options)),
      );
  }
  apiOptions(commands.command("rotate"))
    .addArgument(keyArgument())
    .description("gives a client key a new text, and prints it: this once")
    .option("--overlap-hours <hours>", "so long the text before is taken as well; 0 ends it at once", "24")
    .option("--key <text>", "an Idempotency-Key: within a day, the same one rotates once, and prints the same text")
    .action((key: string, options: Common & { overlapHours: string; key?: string }) =>
      withApi(options, async (client) => (await keys()).rotateKey(client, key, options)),
    );
  apiOptions(commands.command("top-up"))
    .addArgument(keyArgument())
    .argument("<dollars>", "how much, such as 20 or 0.5")
    .description("adds to the balance of a prepaid client key")
    .option("--note <text>", "what for")
    .option("--key <text>", "an Idempotency-Key: with the same one, nothing is added twice")
    .action((key: string, dollars: string, options: Common & { note?: string; key?: string }) =>
      withApi(options, async (client) => (await balances()).topUp(client, key, dollars, options)),
    );
  apiOptions(commands.command("adjust"))
    .addArgument(keyArgument())
    .argument("<dollars>", "by how much, such as -3 or 0.5")
    .description("corrects the balance of a prepaid client key, up or down; the note says why")
    .requiredOption("--note <text>", "why")
    .option("--key <text>", "an Idempotency-Key: with the same one, nothing is corrected twice")
    .action((key: string, dollars: string, options: Common & { note: string; key?: string }) =>
      withApi(options, async (client) => (await balances()).adjustBalance(client, key, dollars, options)),
    );
  listOptions(commands.command("balance"))
    .addArgument(keyArgument())
    .description("the balance of a client key, and what changed it, the newest first")
    .action((key: string, options: Listing) =>
      withApi(options, async (client) => (await balances()).listBalance(client, key, options)),
    );
}

function secretOptions(command: Command): Command {
  return command
    .option("--api-key-from-env <name>", "the environment variable that holds the provider's API key")
    .option("--api-key-from-file <file>", "the file that holds it; -: standard input")
    .option("--proxy-login-from-env <name>", "the environment variable that holds the proxy's user:password");
}

function accountOptions(command: Command): Command {
  return secretOptions(command)
    .option("--base-url <url>", "of a compatible provider, or of a gateway before gemini: where its API is")
    .option("--bearer", "anthropic, anthropic-compatible: the key goes as a bearer token instead of x-api-key")
    .option("--setting <settings...>", "another setting of the provider, such as name=value")
    .option("--proxy <url>", "http://, https:// or socks5://host:port that calls go through; none: direct")
    .option("--group <names...>", "groups that it is in; none: no group")
    .option("--priority <number>", "the lower, the earlier; a new account has 100")
    .option("--weight <number>", "its share where accounts are drawn by weight; a new account has 100")
    .option("--standby", "used only when nothing else can serve")
    .option("--no-standby", "used as any other")
    .option("--concurrency <streams>", "requests at once; a new account has 100")
    .option("--daily-quota <dollars>", "real cost per day, UTC; none: no limit")
    .option("--model <patterns...>", "only these models; * stands for any text; all: every one")
    .option(
      "--map <models...>",
      "asked=sent: the model that is sent upstream for one that is asked for; none: as asked",
    )
    .option("--expires <time>", "not used from then on; never: always");
}

function addAccounts(commands: Command): void {
  listOptions(commands.command("list"))
    .description("lists upstream accounts with their condition and load")
    .option("--platform <name>", "only of this platform: anthropic, openai, gemini")
    .option("--group <name>", "only of this group")
    .addOption(new Option("--only <state>", "only in this state").choices(accountStates))
    .action((options: Listing & { platform?: string; group?: string; only?: string }) =>
      withApi(options, async (client) => (await accounts()).listAccounts(client, options)),
    );
  accountOptions(apiOptions(commands.command("add")))
    .argument("<provider>", "anthropic, anthropic-compatible, openai, openai-compatible, gemini")
    .option("--name <text>", "what people call it; default: as the provider")
    .option("--test", "try it at once; exit code 1 when it does not work")
    .description("adds an upstream account; its API key is read from the environment, a file, or asked for")
    .action((provider: string, options: AccountOptions & Common & { name?: string; test?: true }) =>
      withApi(options, async (client) => (await accounts()).addAccount(client, provider, options)),
    );
  accountOptions(apiOptions(commands.command("update")))
    .addArgument(accountArgument())
    .option("--name <text>", "another name")
    .description("changes what is given, and leaves the rest; a new address needs the API key again")
    .action((account: string, options: AccountOptions & Common & { name?: string }) =>
      withApi(options, async (client) => (await accounts()).updateAccount(client, account, options)),
    );
  secretOptions(apiOptions(commands.command("set-credential")))
    .addArgument(accountArgument())
    .description("replaces an account's API key")
    .action((account: string, options: SecretOptions & Common) =>
      withApi(options, async (client) => (await accounts()).setCredential(client, account, options)),
    );
  const simple = {
    show: "one account: settings, condition, load, and what its upstream said last",
    test: "makes the cheapest call that shows whether it works; exit code 1 when it does not",
    reset: "forgets what answers have said against it: it is given requests again",
    enable: "gives it requests again",
    disable: "gives it no more requests; running ones go on",
    delete: "deletes it and its credential; its usage stays",
  } as const;
  for (const verb of Object.keys(simple) as (keyof typeof simple)[]) {
    apiOptions(commands.command(verb))
      .addArgument(accountArgument())
      .description(simple[verb])
      .action((account: string, options: Common) =>
        withApi(options, async (client) => {
          const found = await accounts();
          const verbs = {
            show: found.showAccount,
            test: found.testAccount,
            reset: found.resetAccount,
            enable: found.enableAccount,
            disable: found.disableAccount,
            delete: found.deleteAccount,
          };
          return verbs[verb](client, account, options);
        }),
      );
  }
}
