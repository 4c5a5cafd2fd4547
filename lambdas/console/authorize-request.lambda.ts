// Entry: API Gateway asks who is calling, before any function of the API runs.
import * as z from "zod";
import { readEnvironment } from "../shared/environment.ts";
import { isErrorNamed, messageOf } from "../shared/errors.ts";
import { log } from "../shared/log.ts";
import { makeHandler } from "../shared/make-handler.ts";
import { roles } from "../shared/routes.ts";
import { allow, bearerToken, deny } from "./authorize-request.ts";
import { authorizeRequestEnvironment } from "./config.ts";
import { IssuerStore } from "./issuer.store.ts";
import { readClaims } from "./read-claims.ts";

export const handler = makeHandler({
  input: z.object({ methodArn: z.string(), headers: z.record(z.string(), z.string().optional()).nullish() }),
  build: () => {
    const environment = readEnvironment(authorizeRequestEnvironment);
    return {
      issuer: new IssuerStore(environment.ISSUER),
      clients: { people: environment.PEOPLE_CLIENT_IDS, machines: environment.MACHINE_CLIENT_IDS },
    };
  },
  run: async ({ methodArn, headers }, { issuer, clients }) => {
    const token = bearerToken(headers);
    if (token === undefined) return deny(methodArn);
    try {
      return allow(readClaims(await issuer.claimsOf(token), clients, roles), methodArn);
    } catch (error) {
      // Anything else is a fault of ours: thrown, it becomes a 503, never a 401.
      if (!isErrorNamed(error, "Unauthenticated")) throw error;
      log.info("token refused", { reason: messageOf(error) });
      return deny(methodArn);
    }
  },
});
