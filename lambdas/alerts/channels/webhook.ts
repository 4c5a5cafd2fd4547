// A webhook of your own: JSON, signed by HMAC-SHA256 over timestamp and body, so that its receiver knows who calls and when.
import { createHmac } from "node:crypto";
import { CausewayError } from "../../shared/errors.ts";
import { guardedRequest } from "../../shared/guarded-address.ts";
import type { Message } from "../messages/message.ts";
import type { Channel, ChannelSettings, ChannelTools } from "./channel.ts";
import { checkStatus, mostAnswerBytes, quote, secretsOf, timeoutMilliseconds } from "./http-answer.ts";

/** Programs read it: more than a person would. A thousand deliveries are about 300 KB. */
const pace = { messagesPerMinute: 60, alertsOneByOne: 20, mostAlertsPerMessage: 1_000 } as const;

export function openWebhook({ name }: ChannelSettings, tools: ChannelTools): Channel {
  return {
    pace,
    fits: () => true,
    async send(message) {
      const { url, secret } = await tools.readAddress(name);
      if (secret === undefined) {
        tools.forgetAddress(name);
        throw new CausewayError(
          "SecretMissing",
          `The secret of the channel ${name} has no "secret" for the signature.`,
        );
      }
      const secrets = [...secretsOf(url), secret];
      const body = JSON.stringify(bodyOf(message, tools.now()));
      try {
        const answer = await guardedRequest(
          {
            method: "POST",
            url,
            headers: {
              "content-type": "application/json",
              "user-agent": "causeway",
              ...signatureHeaders(body, secret, tools.now()),
            },
            body,
            timeoutMilliseconds,
            mostAnswerBytes,
          },
          { allowLoopback: tools.allowLoopback },
        );
        checkStatus(answer, secrets);
        return `HTTP ${answer.status}${answer.text === "" ? "" : `: ${quote(answer.text, secrets)}`}`;
      } catch (error) {
        tools.forgetAddress(name);
        throw error;
      }
    },
  };
}

/**
 * `Causeway-Timestamp`: seconds since 1970. `Causeway-Signature`: `v1=` and the HMAC-SHA256 in hex, by the secret, of the
 * timestamp, a full stop and the body's bytes. A receiver refuses what does not match, and what is minutes old.
 */
function signatureHeaders(body: string, secret: string, now: number): Record<string, string> {
  const timestamp = String(Math.floor(now / 1000));
  const digest = createHmac("sha256", secret).update(`${timestamp}.${body}`).digest("hex");
  return { "causeway-timestamp": timestamp, "causeway-signature": `v1=${digest}` };
}

/** `messageId` is the same when a message is sent again; an alert can be told by its `alertId`. */
function bodyOf(message: Message, now: number): object {
  const { messageId, kind, severity, stage, title, lines, deliveries } = message;
  return {
    version: 1,
    messageId,
    kind,
    severity,
    stage,
    title,
    lines,
    sentAt: new Date(now).toISOString(),
    alerts: deliveries.map((delivery) => ({
      alertId: delivery.alertId,
      kind: delivery.kind,
      event: delivery.event,
      severity: delivery.severity,
      subject: delivery.subject,
      raisedAt: delivery.raisedAt,
    })),
  };
}
