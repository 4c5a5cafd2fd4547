// Where an API's people and machines sign in: its own public documents say so.
import * as z from "zod";
import { UsageProblem } from "../usage-problem.ts";
import { unreachableSentence } from "./api-problem.ts";

export interface SignInPlace {
  readonly authorizeUrl: string;
  readonly tokenUrl: string;
  /** Of the client that people sign in with: public, with PKCE. */
  readonly clientId: string;
}

const documentSchema = z.object({
  components: z.object({
    securitySchemes: z.object({
      signIn: z.object({
        flows: z.object({ authorizationCode: z.object({ authorizationUrl: z.url(), tokenUrl: z.url() }) }),
      }),
    }),
  }),
});

/** The page tells Swagger UI which client it is. */
const clientInPage = /\sdata-client="([A-Za-z0-9+_-]{1,128})"/;

const timeoutMilliseconds = 30_000;

/** Throws UsageProblem where there is no such API. */
export async function findSignIn(url: string, isLocal: boolean): Promise<SignInPlace> {
  const [document, page] = await Promise.all([textAt(`${url}/openapi.json`, isLocal), textAt(`${url}/docs`, isLocal)]);
  const parsed = documentSchema.safeParse(parseJson(document));
  const [, clientId] = clientInPage.exec(page) ?? [];
  if (!parsed.success || clientId === undefined) {
    throw new UsageProblem(
      `${url} is no Causeway API: its documents do not say where to sign in. Check the address; it is the output ApiUrl.`,
    );
  }
  const { authorizationUrl, tokenUrl } = parsed.data.components.securitySchemes.signIn.flows.authorizationCode;
  for (const address of [authorizationUrl, tokenUrl]) demandPrivacy(address);
  return { authorizeUrl: authorizationUrl, tokenUrl, clientId };
}

/** Tokens and keys never travel in the clear: https, or the own machine. Throws UsageProblem. */
export function demandPrivacy(address: string): void {
  const { protocol, hostname } = new URL(address);
  const isOwnMachine = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname);
  if (protocol === "https:" || (protocol === "http:" && isOwnMachine)) return;
  throw new UsageProblem(`${address} is not https: tokens do not travel in the clear.`);
}

async function textAt(address: string, isLocal: boolean): Promise<string> {
  try {
    const answer = await fetch(address, { redirect: "error", signal: AbortSignal.timeout(timeoutMilliseconds) });
    return answer.ok ? await answer.text() : "";
  } catch (error) {
    const sentence = unreachableSentence(error, address, isLocal);
    throw sentence === undefined ? error : new UsageProblem(sentence, { cause: error });
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
