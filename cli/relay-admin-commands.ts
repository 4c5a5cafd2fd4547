// The commands of the relay that set up how it works: groups of accounts, prices, settings. Their words, options and help.
import { Argument, type Command, Option } from "commander";
import { apiOptions, type Common, group, withApi } from "./api-options.ts";
import type { PriceOptions } from "./commands/relay-price-commands.ts";

const groups = () => import("./commands/relay-group-commands.ts");
const prices = () => import("./commands/relay-price-commands.ts");
const settings = () => import("./commands/relay-settings-commands.ts");

const algorithms = ["round-robin", "weighted-random", "least-connections", "response-time"] as const;
const platforms = ["anthropic", "openai", "gemini"] as const;

export function addRelayAdminCommands(relay: Command): void {
  addGroups(group(relay, "groups", "groups of upstream accounts: keys are bound to them"));
  addPrices(group(relay, "prices", "what models are charged"));
  addSettings(group(relay, "settings", "settings of the running relay, in effect within seconds"));
}

function addGroups(commands: Command): void {
  apiOptions(commands.command("list"))
    .description("lists groups with the accounts in them; relay accounts update ACCOUNT --group NAME puts one in")
    .action((options: Common) => withApi(options, async (client) => (await groups()).listGroups(client, options)));
  apiOptions(commands.command("set"))
    .argument("<group>", "its name: small letters, digits and -")
    .description("makes a group, or changes what is given and leaves the rest")
    .addOption(
      new Option("--algorithm <name>", "which of its accounts is taken first; none: as the settings say").choices([
        ...algorithms,
        "none",
      ]),
    )
    .option("--description <text>", "what it is for")
    .action((name: string, options: Common & { algorithm?: string; description?: string }) =>
      withApi(options, async (client) => (await groups()).setGroup(client, name, options)),
    );
  apiOptions(commands.command("delete"))
    .argument("<group>", "its name, as relay groups list prints it")
    .description("deletes a group that no account is in; keys that are bound to it are refused from then on")
    .action((name: string, options: Common) =>
      withApi(options, async (client) => (await groups()).deleteGroup(client, name, options)),
    );
}

function addPrices(commands: Command): void {
  apiOptions(commands.command("list"))
    .description("lists prices in dollars per million tokens, with their sources")
    .option("--model <name>", "only what this model is charged by")
    .action((options: Common & { model?: string }) =>
      withApi(options, async (client) => (await prices()).listPrices(client, options)),
    );
  const platform = (text: string) => new Option("--platform <name>", text).choices(platforms);
  apiOptions(commands.command("set"))
    .addArgument(new Argument("[model]", "its name; a * at its end stands for whatever follows"))
    .description("overrides the price of a model: what is given, on top of the price in force; an admin may")
    .addOption(platform("whose API it is called by; needed where it has no price yet"))
    .option("--input <dollars>", "per million tokens, as all that follow")
    .option("--output <dollars>", "output, reasoning too")
    .option("--cache-write <dollars>", "written to the cache for 5 minutes; of a new price: as the input")
    .option("--cache-write-1h <dollars>", "for an hour; of a new price: as the input")
    .option("--cache-read <dollars>", "read from the cache; of a new price: as the input")
    .option(
      "--long-context <tokens,input,output>",
      "rates of requests with more input than so many tokens, such as 200000,6,22.5; none: the same",
    )
    .option("--tool <prices...>", "each call of a provider's tool, in dollars, such as web_search=0.01")
    .option("--tier <factors...>", "service tiers, as multiples of all rates, such as priority=2")
    .option("--family <name>", "the family whose budgets it counts in, such as opus")
    .option("--context <tokens>", "the model's context window")
    .option("--most-output <tokens>", "the most that it can answer")
    .option("--source <text>", "where the price was read: an address, a contract")
    .option("--date <date>", "when it was read; default: today")
    .option("--from <time>", "it counts from then on; default: now")
    .option("--from-file <file>", "all of it as JSON, as the API takes it; -: standard input")
    .action((model: string | undefined, options: PriceOptions & Common) =>
      withApi(options, async (client) => (await prices()).setPrice(client, model, options)),
    );
  apiOptions(commands.command("remove"))
    .argument("<model>", "its name, as relay prices list prints it")
    .description("removes an override; the price before it counts again, and what was charged stays; an admin may")
    .addOption(platform("where it has overrides on several"))
    .option("--from <time>", "where it has several: the one that counts from then on")
    .action((model: string, options: Common & { platform?: string; from?: string }) =>
      withApi(options, async (client) => (await prices()).removePrice(client, model, options)),
    );
}

function addSettings(commands: Command): void {
  apiOptions(commands.command("show"))
    .description("the settings as they are; docs/relay.md says what each is for")
    .action((options: Common) => withApi(options, async (client) => (await settings()).showSettings(client, options)));
  apiOptions(commands.command("set"))
    .argument("<settings...>", "such as stickyMinutes=30 logLevels.proxy=DEBUG; probeMinutes=default: as it was made")
    .description("changes what is given, and leaves the rest; an admin may")
    .action((given: string[], options: Common) =>
      withApi(options, async (client) => (await settings()).setSettings(client, given, options)),
    );
}
