// The app: the only file that knows stages and accounts. It builds one stage's stacks and adds cdk-nag.
import { App, Tags, Validations } from "aws-cdk-lib";
import recommendedFlags from "aws-cdk-lib/recommended-feature-flags.json" with { type: "json" };
import { AwsSolutionsChecks, ServerlessChecks } from "cdk-nag";
import { readStageSettings, SettingsError, type StageSettings } from "../lib/config.ts";
import { routesByRoom } from "../lib/routes.ts";
import { AlertsStack } from "../lib/stacks/alerts-stack.ts";
import { ConsoleStack } from "../lib/stacks/console-stack.ts";
import { DataStack } from "../lib/stacks/data-stack.ts";
import { RelayStack } from "../lib/stacks/relay-stack.ts";
import { ReplicationStack } from "../lib/stacks/replication-stack.ts";

/** What the CDK recommends to new projects; here and not in cdk.json, so that synthesis without its CLI is the same. */
const cdkFlags = {
  ...recommendedFlags,
  // A data stack cannot drop what the replication stack still uses; CloudFormation itself holds it to that.
  "@aws-cdk/core:defaultCrossStackReferences": "strong",
};

/** The app of one stage, not yet synthesised; its templates go to `outputFolder`. */
export function buildApp(settings: StageSettings, outputFolder: string): App {
  const app = emptyApp(outputFolder);
  addStage(app, settings);
  return app;
}

function emptyApp(outputFolder: string): App {
  return new App({ outdir: outputFolder, analyticsReporting: false, context: cdkFlags });
}

function addStage(app: App, settings: StageSettings): void {
  const { stage, account, region, protectData } = settings;
  const common = {
    settings,
    env: { ...(account !== undefined && { account }), ...(region !== undefined && { region }) },
    terminationProtection: protectData,
  };
  const data = new DataStack(app, `causeway-${stage}-data`, {
    ...common,
    description: "Causeway: tables, buckets and keys, which outlive every redeploy",
  });
  const replication = new ReplicationStack(app, `causeway-${stage}-replication`, {
    ...common,
    data,
    description: "Causeway: copies database backups from Aliyun to S3 and proves the copies",
  });
  const relay = new RelayStack(app, `causeway-${stage}-relay`, {
    ...common,
    data,
    description: "Causeway: relays AI API calls, with keys, budgets and exact accounting",
  });
  // Behind the stacks whose dead-letter queues and schedules it watches.
  const alerts = new AlertsStack(app, `causeway-${stage}-alerts`, {
    ...common,
    data,
    description: "Causeway: tells people what went wrong, and what did not happen",
  });
  // Last: it finds the schedules, workflows and dead-letter queues of all the others.
  new ConsoleStack(app, `causeway-${stage}-console`, {
    ...common,
    data,
    rooms: [{ routes: routesByRoom.alerts, functions: alerts.httpFunctions }, replication.http, relay.http],
    parameterValues: replication.parameterValues,
    description: "Causeway: the HTTP API, its documents, and who may call it",
  });
  Tags.of(app).add("causeway:stage", stage);
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app), new ServerlessChecks(app));
}

/** The stage comes from `-c stage=…` or CAUSEWAY_STAGE, and is `local` when neither says another. */
function main(): void {
  const app = emptyApp(process.env.CDK_OUTDIR ?? "cdk.out");
  const inContext: unknown = app.node.tryGetContext("stage");
  try {
    addStage(app, readStageSettings(String(inContext ?? process.env.CAUSEWAY_STAGE ?? "local")));
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
    return;
  }
  app.synth();
}

if (import.meta.main) main();
