// Asks the sink what it saw since it was last asked.

import { readFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import type { SinkReport } from "./stand-in.ts";

export function readSeen(sinkUrl: string, certificateFile: string | undefined): Promise<SinkReport> {
  const ca = certificateFile === undefined ? {} : { ca: readFileSync(certificateFile) };
  return new Promise((resolve, reject) => {
    const request = (certificateFile === undefined ? http : https).get(
      `${sinkUrl}/seen`,
      { ...ca, agent: false },
      (answer) => {
        let text = "";
        answer.setEncoding("utf8");
        answer.on("data", (piece: string) => {
          text += piece;
        });
        answer.once("end", () => resolve(JSON.parse(text) as SinkReport));
      },
    );
    request.once("error", reject);
  });
}
