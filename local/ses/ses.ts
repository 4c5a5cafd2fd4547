// SES of the local cloud: SendEmail into the outbox. Source: the Amazon SES API v2 reference (REST JSON).
import { randomUUID } from "node:crypto";
import { z } from "zod";
import { parseInput } from "../gateway/parse-input.ts";
import { type LocalService, type ServiceContext, ServiceError, type ServiceRequest } from "../gateway/service.ts";
import { bareAddress, identityOf } from "./addresses.ts";
import type { Mail, Outbox } from "./outbox.ts";

export interface SesService extends LocalService {
  /** An address or a domain, as a template's AWS::SES::EmailIdentity names it; in AWS its owner must confirm it first. */
  verify(identity: string): void;
}

const addresses = z.array(z.string()).default([]);
const content = z.strictObject({ Data: z.string(), Charset: z.string().optional() });

// Members that the local cloud does not have (Template, ConfigurationSetName, Attachments …) are refused by name.
const sendEmail = z.strictObject({
  FromEmailAddress: z.string().min(1),
  Destination: z.strictObject({ ToAddresses: addresses, CcAddresses: addresses, BccAddresses: addresses }).optional(),
  ReplyToAddresses: addresses,
  Content: z.strictObject({
    Simple: z
      .strictObject({
        Subject: content,
        Body: z.strictObject({ Text: content.optional(), Html: content.optional() }),
        Headers: z
          .array(z.strictObject({ Name: z.string(), Value: z.string() }))
          .max(15)
          .optional(),
      })
      .optional(),
    Raw: z.strictObject({ Data: z.base64() }).optional(),
  }),
  EmailTags: z
    .array(z.strictObject({ Name: z.string(), Value: z.string() }))
    .max(50)
    .optional(),
});

type SendEmail = z.output<typeof sendEmail>;

const mostRecipients = 50;

export function createSesService(context: ServiceContext, outbox: Outbox): SesService {
  const verified = new Set<string>();
  return {
    name: "ses",
    operationOf: (request) => (isSendEmail(request) ? "SendEmail" : "Unknown"),
    async handle(request) {
      const mail = send(request, context, verified);
      outbox.add(mail);
      return {
        status: 200,
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ MessageId: mail.messageId }),
      };
    },
    renderError: (error) => {
      const code = error.code === "AccessDenied" ? "AccessDeniedException" : error.code;
      return {
        status: error.status,
        headers: { "content-type": "application/json", "x-amzn-errortype": code },
        body: JSON.stringify({ message: error.message }),
      };
    },
    throttlingError: () => new ServiceError(429, "TooManyRequestsException", "Maximum sending rate exceeded."),
    verify: (identity) =>
      verified.add(identity.includes("@") ? (bareAddress(identity) ?? identity) : identity.toLowerCase()),
  };
}

function isSendEmail({ method, rawPath }: Pick<ServiceRequest, "method" | "rawPath">): boolean {
  return method === "POST" && rawPath === "/v2/email/outbound-emails";
}

function send(request: ServiceRequest, context: ServiceContext, verified: ReadonlySet<string>): Mail {
  if (!isSendEmail(request)) {
    throw new ServiceError(
      404,
      "UnknownOperationException",
      `The local cloud does not know ses's ${request.method} ${request.rawPath}; it knows SendEmail.`,
    );
  }
  if (!request.principal) throw new ServiceError(403, "AccessDeniedException", "The request is not signed.");
  const input = parseInput(sendEmail, readJson(request.bodyBytes), "BadRequestException");
  const from = bareAddress(input.FromEmailAddress);
  if (from === undefined) throw invalid("Missing final '@domain'");
  const identity = identityOf(from, verified);
  const { region, accountId } = context;
  const arn = `arn:aws:ses:${region}:${accountId}:identity/${identity ?? from}`;
  context.authorize(request.principal, "ses:SendEmail", arn, { "ses:FromAddress": from });
  if (identity === undefined) {
    throw new ServiceError(
      400,
      "MessageRejected",
      `Email address is not verified. The following identities failed the check in region ${region.toUpperCase()}: ${from}`,
    );
  }
  return mailOf(input, new Date(context.clock.now()).toISOString());
}

function mailOf(input: SendEmail, at: string): Mail {
  const { FromEmailAddress: from, Destination: destination, ReplyToAddresses: replyTo, Content } = input;
  const [to, cc, bcc] = [
    destination?.ToAddresses ?? [],
    destination?.CcAddresses ?? [],
    destination?.BccAddresses ?? [],
  ];
  const recipients = [...to, ...cc, ...bcc];
  if (recipients.length > mostRecipients) throw invalid(`Recipient count exceeds ${mostRecipients}.`);
  const wrong = [...recipients, ...replyTo].find((address) => bareAddress(address) === undefined);
  if (wrong !== undefined) throw invalid(`Invalid email address: ${wrong}`);
  const { Simple: simple, Raw: raw } = Content;
  const common = { messageId: randomUUID(), at, via: "ses" as const, from, to, cc, bcc, replyTo };
  if (simple && !raw) {
    if (recipients.length === 0) throw invalid("There are no recipients.");
    const { Text: text, Html: html } = simple.Body;
    if (!text && !html) throw invalid("The body needs Text or Html.");
    return {
      ...common,
      subject: simple.Subject.Data,
      ...(text ? { text: text.Data } : {}),
      ...(html ? { html: html.Data } : {}),
    };
  }
  if (raw && !simple) {
    const message = Buffer.from(raw.Data, "base64").toString("utf8");
    return { ...common, subject: /^subject:\s*(.*)$/im.exec(message)?.[1]?.trim() ?? "", raw: message };
  }
  throw invalid("Content needs exactly one of Simple and Raw.");
}

function readJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString("utf8"));
  } catch {
    throw invalid("The body is not JSON.");
  }
}

function invalid(sentence: string): ServiceError {
  return new ServiceError(400, "BadRequestException", sentence);
}
