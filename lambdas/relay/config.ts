// The environment of each entry of this room, as schemas. lib/ sees their types, so that a forgotten variable does not compile.
import * as z from "zod";

const name = z.string().min(1);
const flag = z.enum(["true", "false"]).transform((text) => text === "true");

/** Names, separated by commas; empty: none. */
const list = z.string().transform((text) => text.split(",").filter((part) => part !== ""));

/** Where accounts' requests may go, and what opens their credentials. */
const upstreams = {
  STAGE: name,
  RELAY_ACCOUNTS_TABLE: name,
  CREDENTIALS_KEY_ID: name,
  /** Hosts at private addresses that may be called all the same, with their ports. */
  ALLOWED_PRIVATE_HOSTS: list,
  ALLOW_LOOPBACK: flag,
};

export const relayEnvironment = z.object({
  ...upstreams,
  RELAY_KEYS_TABLE: name,
  RELAY_USAGE_TABLE: name,
  KEY_PEPPER_SECRET: name,
  EVENT_BUS_NAME: name,
});
