// An account's proxy: where it is stands in the account's settings, who may use it in the account's credential.
import * as z from "zod";
import type { Account } from "../scheduling/account.ts";
import type { AccountProxy } from "../transports/transport.ts";

/** SOCKS 5 has one byte for the length (RFC 1929). */
const mostBytes = 255;

const printable = z
  .string("Give a text.")
  .min(1, "Give at least one character.")
  .max(mostBytes, `Give at most ${mostBytes} characters.`)
  .regex(/^[\x20-\x7e]*$/, "Give printable ASCII characters.");

/** Part of every provider's credential. */
export const proxyCredentialFields = {
  proxyUsername: printable
    .meta({ title: "Proxy user", description: "Where the account's proxy asks for a user." })
    .optional(),
  proxyPassword: printable
    .meta({ title: "Proxy password", description: "Of the proxy's user.", writeOnly: true })
    .optional(),
};

const proxyCredential = z.object(proxyCredentialFields);

/** Undefined where the account has no proxy. `credential` as the account's provider parsed it. */
export function proxyOf({ proxy }: Pick<Account, "proxy">, credential: unknown): AccountProxy | undefined {
  if (proxy === null) return undefined;
  const { proxyUsername, proxyPassword } = proxyCredential.parse(credential ?? {});
  return {
    ...proxy,
    ...(proxyUsername !== undefined && { username: proxyUsername }),
    ...(proxyPassword !== undefined && { password: proxyPassword }),
  };
}
