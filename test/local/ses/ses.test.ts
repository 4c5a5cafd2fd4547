// SES under the official client: what is kept, who may send, and as whom.
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import {
  CreateEmailIdentityCommand,
  SESv2Client,
  SendEmailCommand,
  type SendEmailCommandInput,
} from "@aws-sdk/client-sesv2";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { JsonLines } from "../../../local/gateway/json-lines.ts";
import { type Mail, type Outbox, openOutbox } from "../../../local/ses/outbox.ts";
import { createSesService, type SesService } from "../../../local/ses/ses.ts";
import { accountId, region, type ServiceRig, startServiceRig } from "../service-rig.ts";

let rig: ServiceRig<{ ses: SesService }>;
let client: SESv2Client;
let folder: string;
let outbox: Outbox;

beforeEach(async () => {
  folder = mkdtempSync(path.join(tmpdir(), "outbox-"));
  rig = await startServiceRig((context) => {
    outbox = openOutbox(folder);
    const ses = createSesService(context, outbox);
    ses.verify("Alerts@Example.com");
    ses.verify("ops.example.org");
    return { ses };
  });
  client = new SESv2Client(rig.clientSettings());
});
afterEach(async () => {
  client.destroy();
  expect(rig.defects).toEqual([]);
  await rig.close();
  rmSync(folder, { recursive: true });
});

const simple = (others: Partial<SendEmailCommandInput> = {}) =>
  client.send(
    new SendEmailCommand({
      FromEmailAddress: "Causeway <Alerts@example.com>",
      Destination: { ToAddresses: ["team@example.net"], CcAddresses: ["Second <b@example.net>"] },
      Content: { Simple: { Subject: { Data: "备份失败", Charset: "UTF-8" }, Body: { Text: { Data: "看看" } } } },
      ...others,
    }),
  );

describe("a mail", () => {
  test("is kept with all that it says, in cloud time, and over a restart", async () => {
    const { MessageId } = await simple({
      ReplyToAddresses: ["nobody@example.net"],
      EmailTags: [{ Name: "alert", Value: "1" }],
    });
    const mail: Mail = {
      messageId: MessageId ?? "",
      at: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/) as unknown as string,
      via: "ses",
      from: "Causeway <Alerts@example.com>",
      to: ["team@example.net"],
      cc: ["Second <b@example.net>"],
      bcc: [],
      replyTo: ["nobody@example.net"],
      subject: "备份失败",
      text: "看看",
    };
    expect(outbox.list()).toEqual([mail]);
    await rig.restart();
    expect(outbox.list()).toEqual([mail]);
    expect(readFileSync(path.join(folder, "mails.jsonl"), "utf8").trim().split("\n")).toHaveLength(1);
  });

  test("may come ready-made", async () => {
    const Data = Buffer.from("From: a@ops.example.org\r\nSubject: hello there\r\n\r\nbody");
    await simple({ FromEmailAddress: "a@ops.example.org", Destination: undefined, Content: { Raw: { Data } } });
    expect(outbox.list()).toMatchObject([{ subject: "hello there", raw: Data.toString() }]);
  });

  test.each<[string, Partial<SendEmailCommandInput>, string, string]>([
    ["from an unknown address", { FromEmailAddress: "other@example.com" }, "MessageRejected", "not verified"],
    ["from a domain above a verified one", { FromEmailAddress: "a@example.org" }, "MessageRejected", "a@example.org"],
    ["from no address", { FromEmailAddress: "nobody" }, "BadRequestException", "@domain"],
    ["to nobody", { Destination: {} }, "BadRequestException", "no recipients"],
    ["to no address", { Destination: { ToAddresses: ["x"] } }, "BadRequestException", "Invalid email address: x"],
    [
      "to too many",
      { Destination: { BccAddresses: Array.from({ length: 51 }, (_, index) => `a${index}@example.net`) } },
      "BadRequestException",
      "exceeds 50",
    ],
    [
      "without a body",
      { Content: { Simple: { Subject: { Data: "s" }, Body: {} } } },
      "BadRequestException",
      "Text or Html",
    ],
    ["without content", { Content: {} }, "BadRequestException", "exactly one"],
    ["from a template", { Content: { Template: { TemplateName: "t" } } }, "BadRequestException", "Template"],
    ["with a configuration set", { ConfigurationSetName: "c" }, "BadRequestException", "ConfigurationSetName"],
  ])("%s is refused", async (_name, others, name, sentence) => {
    await expect(simple(others)).rejects.toMatchObject({ name, message: expect.stringContaining(sentence) });
    expect(outbox.list()).toEqual([]);
  });

  test("needs ses:SendEmail on the identity it is sent as: the address, else the closest domain", async () => {
    await simple();
    await simple({ FromEmailAddress: "alarms@cn.ops.example.org" });
    const prefix = `arn:aws:ses:${region}:${accountId}:identity`;
    expect(rig.authorized).toMatchObject([
      {
        action: "ses:SendEmail",
        resource: `${prefix}/Alerts@example.com`,
        conditions: { "ses:FromAddress": "Alerts@example.com" },
      },
      { action: "ses:SendEmail", resource: `${prefix}/ops.example.org` },
    ]);
    rig.denied.add("ses:SendEmail");
    await expect(simple()).rejects.toMatchObject({ name: "AccessDeniedException" });
  });

  test("can be throttled by the rig, and anything but sending is refused by name", async () => {
    rig.faults.add({ service: "ses", operation: "SendEmail", effect: { kind: "throttle" } });
    await expect(simple()).rejects.toMatchObject({ name: "TooManyRequestsException" });
    const other = new CreateEmailIdentityCommand({ EmailIdentity: "a@example.com" });
    await expect(client.send(other)).rejects.toThrow("/v2/email/identities");
  });
});

test("a list of lines drops its oldest items, and a line that a crash cut short", () => {
  const file = path.join(folder, "many.jsonl");
  const many = new JsonLines<number>(file, 100);
  for (let item = 0; item <= 100; item += 1) many.add(item);
  expect(many.list()).toHaveLength(91);
  appendFileSync(file, '{"cut":"sh');
  const second = new JsonLines<number>(file, 100);
  expect(second.list()).toEqual(many.list());
  expect(second.list()[0]).toBe(10);
  second.add(101);
  expect(new JsonLines<number>(file, 100).list().at(-1)).toBe(101);
});
