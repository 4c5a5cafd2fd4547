// `causeway alerts …`, `health` and `ready`, over the API.
import type { ApiClient } from "../api/api-client.ts";
import { ApiProblem } from "../api/api-problem.ts";
import { sayJson, sayLine, sayTable, shortTime } from "../api/output.ts";
import type { OutputOptions } from "./job-commands.ts";

/** Returns the exit code: 1 when the channel did not take it. */
export async function testAlert(client: ApiClient, channel: string, { json }: OutputOptions): Promise<number> {
  const answer = await client.post("testAlertChannel", "/api/alerts/test", { channel });
  if (json) sayJson(answer);
  else if (answer.delivered) sayLine(`${answer.channel} took the test: ${answer.answer}`);
  else sayLine(`${answer.channel} did not take the test: ${answer.error}: ${answer.answer}`);
  return answer.delivered ? 0 : 1;
}

export async function listAlertRules(client: ApiClient, { json }: OutputOptions): Promise<void> {
  const answer = await client.get("listAlertRules", "/api/alerts/rules");
  if (json) return sayJson(answer);
  sayTable(
    [
      { title: "rule", text: ({ ruleId }) => ruleId },
      { title: "events", text: ({ match }) => match.events.join(", "), tooLong: "wrap" },
      { title: "channels", text: ({ channels }) => channels?.join(", ") ?? "all" },
      { title: "enabled", text: ({ enabled }) => (enabled ? "yes" : "no") },
    ],
    answer.rules,
    "There are no rules.",
  );
  sayLine("");
  sayLine(`Channels: ${answer.channels.map(({ name, type }) => `${name} (${type})`).join(", ") || "none"}.`);
}

export async function showHealth(client: ApiClient, { json }: OutputOptions): Promise<void> {
  const health = await client.getPublic("getHealth", "/api/health");
  if (json) return sayJson(health);
  sayLine(`${client.connection.url} answers, version ${health.version}, at ${shortTime(health.at)}.`);
}

/** Returns the exit code: 1 when something that the API needs fails. */
export async function showReadiness(client: ApiClient, { json }: OutputOptions): Promise<number> {
  try {
    const { checks } = await client.get("getReadiness", "/api/ready");
    if (json) sayJson({ ready: true, checks });
    else {
      sayTable(
        [
          { title: "", text: ({ state }) => (state === "ok" ? "✓" : "!") },
          { title: "what", text: ({ name }) => name, tooLong: "middle" },
          { title: "ms", text: ({ milliseconds }) => milliseconds, align: "right" },
          { title: "problem", text: ({ problem }) => problem, tooLong: "wrap" },
        ],
        checks,
        "Nothing was checked.",
      );
    }
    return 0;
  } catch (error) {
    if (!(error instanceof ApiProblem && error.data.name === "NotReady")) throw error;
    if (json) sayJson({ ready: false, problems: error.data.fields });
    else {
      sayLine(error.message);
      for (const { field, problem } of error.data.fields) sayLine(`  ✗ ${field}: ${problem}`);
    }
    return 1;
  }
}
