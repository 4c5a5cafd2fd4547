// The floor of the copy benchmark: ranges of the source piped into PUTs, and nothing else. No proof, no retry, no SDK.
import http from "node:http";
import https from "node:https";
import { pipeline } from "node:stream/promises";

const [sourceUrl = "", sinkUrl = "", sizeText = "", partText = "", atOnceText = ""] = process.argv.slice(2);
const [sizeBytes, partBytes, atOnce] = [Number(sizeText), Number(partText), Number(atOnceText)];

const client = sourceUrl.startsWith("https:") ? https : http;
const agent = new client.Agent({ keepAlive: true, maxSockets: Number.POSITIVE_INFINITY });

function answerTo(request: http.ClientRequest): Promise<http.IncomingMessage> {
  return new Promise((resolve, reject) => {
    request.once("response", resolve);
    request.once("error", reject);
  });
}

async function copyPart(number: number): Promise<void> {
  const first = (number - 1) * partBytes;
  const last = Math.min(sizeBytes, first + partBytes) - 1;
  const get = client.get(sourceUrl, { agent, headers: { range: `bytes=${first}-${last}` } });
  const range = await answerTo(get);
  const url = `${sinkUrl}/bucket/key?partNumber=${number}&uploadId=upload-1`;
  const put = client.request(url, { method: "PUT", agent, headers: { "content-length": last - first + 1 } });
  const [answer] = await Promise.all([answerTo(put), pipeline(range, put)]);
  answer.resume();
  await new Promise((resolve) => answer.once("end", resolve));
  if (range.statusCode !== 206 || answer.statusCode !== 200) throw new Error(`part ${number} failed`);
}

let next = 1;
const partCount = Math.ceil(sizeBytes / partBytes);
await Promise.all(
  Array.from({ length: atOnce }, async () => {
    while (next <= partCount) await copyPart(next++);
  }),
);
agent.destroy();
