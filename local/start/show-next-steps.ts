// Where a person may look next, with commands that work as they stand.
import { stateFolder } from "../../cli/project-folder.ts";
import { quoted } from "../../cli/shell-word.ts";
import type { Stage } from "./follow-workflow.ts";
import type { StartOptions } from "./options.ts";
import { folderForPeople } from "./show-cloud.ts";
import type { CopiesResult } from "./show-copies.ts";
import type { MirrorResult } from "./show-mirror.ts";

export function showNextSteps(
  { screen, cloud }: Stage,
  { once, stateDirectory }: StartOptions,
  { copies, mirror }: { readonly copies: CopiesResult; readonly mirror: MirrorResult },
): void {
  const own = stateDirectory === stateFolder ? "" : ` --state ${quoted(stateDirectory)}`;
  const api = cloud.api.list().find(({ name }) => name.endsWith("/HttpApi/Api"));
  screen.say("");
  screen.say("Where to look next:");
  screen.say(`  the log of every function   ${folderForPeople(stateDirectory)}logs/`);
  if (api) screen.say(`  the HTTP API, to try out    ${api.url}/docs${once ? " (while npm start runs)" : ""}`);
  screen.say(`  a backup of your own        npm start --${own} --backup FILE`);
  screen.say(`  with trouble on the way     npm start --${own} --faults 7`);
  // The mirror's receipt lies beside the copy's, of this start or of an earlier one.
  const receiptKey = mirror.receiptKey?.replace(/[^/]+$/, "copy.json") ?? largestOf(copies)?.receiptKey;
  if (receiptKey === undefined) return;
  const needs = once ? " (needs a running npm start)" : "";
  screen.say(`  the largest copy's receipt, checked anew by every byte${needs}:`);
  const command = `npx causeway verify --local${own} --read-data`;
  const bucket = cloud.output("BackupsBucketName");
  screen.say(`${command} 's3://${bucket}/${receiptKey}'`);
  if (mirror.receiptKey === undefined) return;
  screen.say("  and the mirror's receipt of the same backup, which points to it:");
  screen.say(`${command} 's3://${bucket}/${mirror.receiptKey}'`);
}

function largestOf({ units }: CopiesResult) {
  return units
    .filter((unit) => unit.receiptKey !== undefined)
    .sort((left, right) => right.bytesTotal - left.bytesTotal)[0];
}
