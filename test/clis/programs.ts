// The three programs: how each is asked without a person, which of its tools reads a file, and what it does when it is refused.
import type { Platform } from "../../local/ai-upstream/behaviour.ts";

export interface Program {
  readonly name: "claude" | "codex" | "gemini";
  readonly platform: Platform;
  /** Arguments behind the printed line. */
  plain(prompt: string): string;
  streamed(prompt: string): string;
  withTools(prompt: string): string;
  /** In the lines of the streamed form: this many tell of a part of the answer, at least. */
  readonly part: RegExp;
  readonly leastParts: number;
  /** The call of a tool of its own that reads a file. */
  readTool(file: string): { readonly name: string; readonly input: Readonly<Record<string, unknown>> };
  /** Undefined: it does not compact a conversation without a person. */
  readonly compacting: Compacting | undefined;
  /** Most tries when a budget is spent, and when its key was revoked. */
  readonly mostTries: { readonly spent: number; readonly revoked: number };
}

export interface Compacting {
  /** Behind the line, one after the other: the conversation begins, is compacted, and goes on. Nothing is typed but prompts. */
  readonly runs: readonly string[];
  /** In the one request that asks for the summary; it is the second of all. */
  readonly request: string;
  /** The answer to it, in the form that the program reads. */
  summarise(summary: string): string;
}

/** Less than its first request: before the second one it compacts. */
const codexCompacts = "-c model_auto_compact_token_limit=5000";

export const programs: readonly Program[] = [
  {
    name: "claude",
    platform: "anthropic",
    plain: (prompt) => `-p ${quoted(prompt)}`,
    streamed: (prompt) => `-p --output-format stream-json --verbose --include-partial-messages ${quoted(prompt)}`,
    withTools: (prompt) => `-p --allowedTools Read -- ${quoted(prompt)}`,
    part: /"type":"content_block_delta"/g,
    leastParts: 3,
    readTool: (file) => ({ name: "Read", input: { file_path: file } }),
    compacting: {
      runs: ["-p 'Begin.'", "-p --continue /compact", "-p --continue 'Go on.'"],
      request: "Respond with TEXT ONLY",
      // Without the tags it asks a second time.
      summarise: (summary) => `<analysis>What was said.</analysis>\n<summary>\n${summary}\n</summary>`,
    },
    mostTries: { spent: 1, revoked: 1 },
  },
  {
    name: "codex",
    platform: "openai",
    plain: (prompt) => `exec --skip-git-repo-check ${quoted(prompt)}`,
    // It tells of whole items only.
    streamed: (prompt) => `exec --skip-git-repo-check --json ${quoted(prompt)}`,
    // Its newest models are given their tools in a form of their own, which the stand-in does not call.
    withTools: (prompt) =>
      `-m gpt-5.5 exec --skip-git-repo-check --dangerously-bypass-approvals-and-sandbox ${quoted(prompt)}`,
    part: /"type":"item\.completed"/g,
    leastParts: 1,
    readTool: (file) => ({ name: "exec_command", input: { cmd: `cat ${file}` } }),
    compacting: {
      runs: [
        `${codexCompacts} exec --skip-git-repo-check 'Begin.'`,
        `${codexCompacts} exec --skip-git-repo-check resume --last 'Go on.'`,
      ],
      request: "CONTEXT CHECKPOINT COMPACTION",
      summarise: (summary) => summary,
    },
    mostTries: { spent: 1, revoked: 6 },
  },
  {
    name: "gemini",
    platform: "gemini",
    plain: (prompt) => `--skip-trust -p ${quoted(prompt)}`,
    streamed: (prompt) => `--skip-trust -o stream-json -p ${quoted(prompt)}`,
    withTools: (prompt) => `--skip-trust --approval-mode yolo -p ${quoted(prompt)}`,
    part: /"delta":true/g,
    leastParts: 3,
    readTool: (file) => ({ name: "read_file", input: { file_path: file } }),
    // It takes /compress and asks for a summary, sends the word to the model beside that, and does not wait (0.61.0).
    compacting: undefined,
    mostTries: { spent: 1, revoked: 1 },
  },
];

export function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
