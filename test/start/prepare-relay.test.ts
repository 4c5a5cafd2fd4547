// What npm start finds of the relay at its next start: what somebody has changed stays, and the key that it prints works.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { settingsKept } from "../../cli/commands/relay-account-commands.ts";
import { writeConnection } from "../../cli/local-connection.ts";
import { prepareRelay } from "../../local/start/prepare-relay.ts";
import { connectionOf } from "../../local/start/show-cloud.ts";
import { ConsoleRig } from "../console/console-rig.ts";
import { stopSchedules } from "../stop-schedules.ts";

const folder = mkdtempSync(path.join(tmpdir(), "causeway-prepare-relay-"));
const keyFile = path.join(folder, "relay-key");
let rig: ConsoleRig;

beforeAll(async () => {
  rig = await ConsoleRig.start();
  await stopSchedules(rig.cloud);
  writeConnection(folder, connectionOf(rig.cloud));
});

afterAll(async () => {
  await rig?.close();
  rmSync(folder, { recursive: true, force: true });
});

it("leaves an account as somebody changed it, but for the stand-in's new address", async () => {
  const { client } = await prepareRelay(rig.cloud, folder);
  const find = async () => {
    const { items } = await client.list("listRelayAccounts", "/api/relay/accounts", {}, 100);
    const found = items.find(({ name }) => name === "stand-in-anthropic");
    if (found === undefined) throw new Error("there is no such account");
    return found;
  };
  const made = await find();
  // A real account that is added beside it is to be used first.
  expect(made.standby).toBe(true);
  const at = `/api/relay/accounts/${made.accountId}`;
  const { etag } = await client.getTagged("getRelayAccount", at);
  const changes = {
    groups: ["team"],
    weight: 7,
    schedulable: false,
    settings: { baseUrl: "http://127.0.0.1:9/elsewhere" },
  };
  const credential = { apiKey: "sk-ant-elsewhere" };
  await client.put("changeRelayAccount", at, { ...settingsKept(made), ...changes, credential }, etag);
  await prepareRelay(rig.cloud, folder);
  expect(await find()).toMatchObject({ ...settingsKept(made), ...changes, settings: made.settings });
});

it("prints the key of the last start while it works, and else another", async () => {
  const first = await prepareRelay(rig.cloud, folder);
  expect((await prepareRelay(rig.cloud, folder)).keyText).toBe(first.keyText);
  // Cut off in the middle of writing: the key's id is in it all the same.
  writeFileSync(keyFile, first.keyText.slice(0, 20));
  const second = await prepareRelay(rig.cloud, folder);
  expect(second.keyId).not.toBe(first.keyId);
  expect(readFileSync(keyFile, "utf8")).toBe(second.keyText);
  await second.client.post("rotateRelayKey", `/api/relay/keys/${second.keyId}/rotate`, { overlapHours: 0 });
  const third = await prepareRelay(rig.cloud, folder);
  expect(third.keyId).not.toBe(second.keyId);
  await third.client.post("disableRelayKey", `/api/relay/keys/${third.keyId}/disable`);
  expect((await prepareRelay(rig.cloud, folder)).keyId).not.toBe(third.keyId);
});
