// Vendors' clients against a server that gives prepared answers: what they make of bytes that the relay wrote.
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import Anthropic1 from "@anthropic-ai/sdk";
import { GoogleGenAI } from "@google/genai";
import Anthropic0 from "anthropic-sdk-0";
import OpenAi7 from "openai";
import OpenAi6 from "openai-6";
import type { HttpAnswer } from "../../../../lambdas/relay/protocols/protocol.ts";

export interface AnsweringServer {
  readonly url: string;
  /** How often it was asked since `answer` was set. */
  readonly count: number;
  /** What it answers from now on. */
  answer(answer: HttpAnswer): void;
  close(): Promise<void>;
}

export async function startAnswering(): Promise<AnsweringServer> {
  let next: HttpAnswer = { status: 500, headers: {}, body: "" };
  let count = 0;
  const server = createServer((request: IncomingMessage, response) => {
    count += 1;
    request.resume();
    request.on("end", () => response.writeHead(next.status, next.headers).end(next.body));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get count() {
      return count;
    },
    answer(answer) {
      next = answer;
      count = 0;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function eventStream(body: Buffer): HttpAnswer {
  return { status: 200, headers: { "content-type": "text/event-stream" }, body };
}

/** What a client ended with: why the answer stopped, its text; or the error that it threw. */
export interface Outcome {
  readonly stop?: string | null | undefined;
  readonly text?: string | undefined;
  readonly error?: Error;
}

export type Client = (url: string, maxRetries?: number) => Promise<Outcome>;

const user = { role: "user", content: "Hi" } as const;

async function outcomeOf(work: () => Promise<Outcome>): Promise<Outcome> {
  try {
    return await work();
  } catch (error) {
    return { error: error as Error };
  }
}

const anthropic = (Sdk: typeof Anthropic1 | typeof Anthropic0): Client => {
  return (baseURL, maxRetries = 0) =>
    outcomeOf(async () => {
      const client = new (Sdk as typeof Anthropic1)({ baseURL, apiKey: "k", maxRetries });
      const message = await client.messages
        .stream({ model: "claude-opus-5-5", max_tokens: 1000, messages: [user] })
        .finalMessage();
      const text = message.content.map((block) => (block.type === "text" ? block.text : "")).join("");
      return { stop: message.stop_reason, text };
    });
};

const openAi = (Sdk: typeof OpenAi7 | typeof OpenAi6, url: string, maxRetries: number) =>
  new (Sdk as typeof OpenAi7)({ baseURL: `${url}/v1`, apiKey: "k", maxRetries });

const chat = (Sdk: typeof OpenAi7 | typeof OpenAi6): Client => {
  return (url, maxRetries = 0) =>
    outcomeOf(async () => {
      const params = { model: "gpt-4o", messages: [user], stream: true as const };
      const stops: string[] = [];
      let text = "";
      for await (const chunk of await openAi(Sdk, url, maxRetries).chat.completions.create(params)) {
        for (const choice of chunk.choices) {
          text += choice.delta.content ?? "";
          if (choice.finish_reason) stops.push(choice.finish_reason);
        }
      }
      return { stop: stops.join(), text };
    });
};

/** The client's own accumulation, too: it fails where an event is missing. */
const chatWhole = (Sdk: typeof OpenAi7 | typeof OpenAi6): Client => {
  return (url, maxRetries = 0) =>
    outcomeOf(async () => {
      const completion = await openAi(Sdk, url, maxRetries)
        .chat.completions.stream({ model: "gpt-4o", messages: [user] })
        .finalChatCompletion();
      const [choice] = completion.choices;
      return { stop: choice?.finish_reason, text: choice?.message.content ?? "" };
    });
};

const responses = (Sdk: typeof OpenAi7 | typeof OpenAi6): Client => {
  return (url, maxRetries = 0) =>
    outcomeOf(async () => {
      const response = await openAi(Sdk, url, maxRetries)
        .responses.stream({ model: "gpt-5", input: "Hi" })
        .finalResponse();
      return { stop: response.incomplete_details?.reason ?? response.status, text: response.output_text };
    });
};

const gemini: Client = (baseUrl) =>
  outcomeOf(async () => {
    const client = new GoogleGenAI({ apiKey: "k", httpOptions: { baseUrl } });
    const chatting = client.chats.create({ model: "gemini-2.5-flash" });
    let stop: string | undefined;
    let text = "";
    for await (const chunk of await chatting.sendMessageStream({ message: "Hi" })) {
      text +=
        chunk.candidates?.[0]?.content?.parts?.map((part) => (part.thought ? "" : (part.text ?? ""))).join("") ?? "";
      stop = chunk.candidates?.[0]?.finishReason ?? stop;
    }
    // A chat forgets an answer with a chunk that it does not understand.
    const isKept = chatting.getHistory(true).some(({ role }) => role === "model");
    return { stop: isKept ? stop : `${stop}, forgotten`, text };
  });

export const clients = {
  "@anthropic-ai/sdk 1": anthropic(Anthropic1),
  "@anthropic-ai/sdk 0": anthropic(Anthropic0),
  "openai 7, chat": chat(OpenAi7),
  "openai 6, chat": chat(OpenAi6),
  "openai 7, chat as a whole": chatWhole(OpenAi7),
  "openai 7, responses": responses(OpenAi7),
  "openai 6, responses": responses(OpenAi6),
  "@google/genai": gemini,
} as const satisfies Record<string, Client>;

export type ClientName = keyof typeof clients;

/** Which clients read which stream, by the beginning of its file's name. */
function clientsFor(stream: string): ClientName[] {
  if (stream.startsWith("anthropic")) return ["@anthropic-ai/sdk 1", "@anthropic-ai/sdk 0"];
  if (stream.startsWith("openai-chat")) return ["openai 7, chat", "openai 6, chat"];
  if (stream.startsWith("openai-responses")) return ["openai 7, responses", "openai 6, responses"];
  return ["@google/genai"];
}

/** What each client of the stream with this name makes of these bytes. */
export async function readByClients(server: AnsweringServer, name: string, bytes: Buffer): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const client of clientsFor(name)) {
    server.answer(eventStream(bytes));
    outcomes.push(await clients[client](server.url));
  }
  return outcomes;
}
