// What booted where, in a few lines.
import path from "node:path";
import type { LiveScreen } from "../../cli/live-screen.ts";
import type { LocalConnection } from "../../cli/local-connection.ts";
import { setInColumns } from "../../cli/terminal-text.ts";
import type { LocalCloud } from "../cloud.ts";
import { sampleRegion } from "../samples/register-samples.ts";
import type { ChosenPorts } from "./choose-ports.ts";

const counted: Readonly<Record<string, string>> = {
  "AWS::Lambda::Function": "Lambda functions",
  "AWS::StepFunctions::StateMachine": "state machines",
  "AWS::DynamoDB::Table": "tables",
  "AWS::DynamoDB::GlobalTable": "tables",
  "AWS::S3::Bucket": "buckets",
  "AWS::Scheduler::Schedule": "schedules",
};

export function showCloud(screen: LiveScreen, cloud: LocalCloud, stateDirectory: string): void {
  const { rpcEndpoint, downloadUrl } = cloud.aliyun;
  const api = cloud.api.urlOf("HttpApi/Api");
  const rows = [
    ["  AWS services", `${cloud.url}, with ${countResources(cloud)}`],
    ["  Aliyun RDS", `http://${rpcEndpoint}, downloads at ${downloadUrl}`],
    ["  Aliyun OSS", `${cloud.oss.url}, with the bucket ${cloud.oss.buckets().join(", ")}`],
    ["  WeCom", `${cloud.wecom.url}, a group robot`],
    ["  AI upstream", `${cloud.aiUpstream.url}, in the place of Anthropic, OpenAI and Gemini`],
    ["  HTTP API", `${api}, its documents at ${api}/docs`],
    ["  sign in once", `${cloud.signIn.oneTimeLink(`${api}/docs`)}, as admin; others choose a user at Authorize`],
    ["  AI relay", `${cloud.api.urlOf("RelayApi/Api")}, for Claude Code, Codex, Gemini CLI and SDKs`],
    ["  data and logs", folderForPeople(stateDirectory)],
  ];
  for (const line of setInColumns([{}, { tooLong: "wrap" }], rows, screen.columns)) screen.say(line);
}

/** "12 Lambda functions, 1 state machine …" */
function countResources(cloud: LocalCloud): string {
  const counts = new Map<string, number>();
  for (const { type } of cloud.resources) {
    const name = counted[type];
    if (name !== undefined) counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return [...counts].map(([name, count]) => `${count} ${count === 1 ? name.replace(/s$/, "") : name}`).join(", ");
}

/** Relative where that is shorter to read. */
export function folderForPeople(folder: string): string {
  const relative = path.relative(process.cwd(), folder);
  return `${relative.startsWith("..") || relative === "" ? folder : relative}/`;
}

export function connectionOf(cloud: LocalCloud): LocalConnection {
  const { accessKeyId, secretAccessKey } = cloud.operator;
  return {
    endpointUrl: cloud.url,
    region: cloud.region,
    accessKeyId,
    secretAccessKey,
    aliyun: {
      endpoint: cloud.aliyun.rpcEndpoint,
      protocol: "http",
      region: sampleRegion,
      ossEndpoint: cloud.oss.endpoint,
    },
    ...apiOf(cloud),
  };
}

/** With the machine client's credentials, so that `npx causeway --local` needs no sign-in. */
export function apiOf({ api, signIn }: LocalCloud): Pick<LocalConnection, "api"> {
  const own = api.list().find(({ name }) => name.endsWith("/HttpApi/Api"));
  const machine = signIn.clients().find(({ secret }) => secret !== undefined);
  if (own === undefined || machine?.secret === undefined) return {};
  const { clientId, secret: clientSecret } = machine;
  return { api: { url: own.url, tokenUrl: `${signIn.url}/oauth2/token`, clientId, clientSecret } };
}

export function portsOf({ aliyun, oss, wecom, aiUpstream, frontPorts }: LocalCloud): Required<ChosenPorts> {
  return {
    aliyunPorts: { rpc: portIn(`http://${aliyun.rpcEndpoint}`), download: portIn(aliyun.downloadUrl) },
    ossPort: portIn(oss.url),
    frontPorts,
    wecomPort: portIn(wecom.webhookUrl()),
    aiUpstreamPort: portIn(aiUpstream.url),
  };
}

function portIn(url: string): number {
  return Number(new URL(url).port);
}
