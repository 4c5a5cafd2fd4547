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

export const sweepLeasesEnvironment = z.object({
  RELAY_KEYS_TABLE: name,
  RELAY_USAGE_TABLE: name,
  RELAY_ACCOUNTS_TABLE: name,
});

export const rollUpUsageEnvironment = z.object({
  RELAY_USAGE_TABLE: name,
  RELAY_TOTALS_TABLE: name,
  RELAY_ACCOUNTS_TABLE: name,
});

export const recoverAccountsEnvironment = z.object({ RELAY_ACCOUNTS_TABLE: name, EVENT_BUS_NAME: name });

export const probeAccountEnvironment = z.object(upstreams);

/** Of whatever changes something over HTTP. */
const changes = { AUDIT_TABLE: name, IDEMPOTENCY_TABLE: name };

export const answerRelayEnvironment = z.object({
  RELAY_KEYS_TABLE: name,
  RELAY_ACCOUNTS_TABLE: name,
  RELAY_USAGE_TABLE: name,
  RELAY_TOTALS_TABLE: name,
});

export const changeKeysEnvironment = z.object({
  ...changes,
  RELAY_KEYS_TABLE: name,
  RELAY_ACCOUNTS_TABLE: name,
  KEY_PEPPER_SECRET: name,
});

export const changeAccountsEnvironment = z.object({ ...changes, ...upstreams, PROBE_FUNCTION_NAME: name });

export const changeRelayEnvironment = z.object({
  ...changes,
  RELAY_ACCOUNTS_TABLE: name,
  JOBS_TABLE: name,
  ROLL_UP_FUNCTION_NAME: name,
  EXPORT_FUNCTION_NAME: name,
});

export const showOwnUsageEnvironment = z.object({
  RELAY_KEYS_TABLE: name,
  RELAY_TOTALS_TABLE: name,
  KEY_PEPPER_SECRET: name,
});

export const watchRelayEnvironment = z.object({
  RELAY_KEYS_TABLE: name,
  RELAY_ACCOUNTS_TABLE: name,
  RELAY_USAGE_TABLE: name,
  RELAY_TOTALS_TABLE: name,
  EVENT_BUS_NAME: name,
});

export const exportUsageEnvironment = z.object({
  RELAY_USAGE_TABLE: name,
  JOBS_TABLE: name,
  EXPORTS_BUCKET: name,
});
