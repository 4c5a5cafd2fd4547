// `causeway login`: code and PKCE at the hosted sign-in, with the browser sent back to a port of this machine.
// Source: RFC 8252 (native apps), RFC 7636 (PKCE).
import { spawn } from "node:child_process";
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import http from "node:http";
import { decodeJwt } from "jose";
import { UsageProblem } from "../usage-problem.ts";
import type { SignInPlace } from "./find-sign-in.ts";
import { keepSignIn } from "./sign-in-file.ts";
import { askForTokens, TokenRefused } from "./token-endpoint.ts";

/** Those that the user pool's client knows (lib/constructs/sign-in.ts): one may be taken by another program. */
const callbackPorts = [8917, 8918] as const;
const callbackPath = "/callback";
const longestWaitMilliseconds = 5 * 60_000;

/** Answers with the name of who has signed in. Throws UsageProblem. `say`: lines for the person. */
export async function logIn(
  url: string,
  place: SignInPlace,
  { browser, say }: { readonly browser: boolean; readonly say: (line: string) => void },
): Promise<string> {
  const verifier = randomBytes(32).toString("base64url");
  const state = randomBytes(16).toString("base64url");
  await using callback = await listenForCode(state);
  const address = authorizeAddress(place, callback.redirectUri, state, verifier);
  say("Sign in here:");
  say("");
  say(`  ${address}`);
  say("");
  say("Waiting for the browser to come back, five minutes at most. Ctrl-C gives up.");
  if (browser) openBrowser(address);
  const code = await callback.code;
  try {
    const tokens = await askForTokens(place.tokenUrl, {
      grant_type: "authorization_code",
      client_id: place.clientId,
      code,
      redirect_uri: callback.redirectUri,
      code_verifier: verifier,
    });
    const { accessToken, refreshToken, expiresAt } = tokens;
    if (refreshToken === undefined) throw new UsageProblem("The sign-in gave no refresh token; nothing was kept.");
    const { username, sub } = decodeJwt<{ username?: string }>(accessToken);
    const name = username ?? sub ?? "somebody";
    const { tokenUrl, clientId } = place;
    keepSignIn({ kind: "person", url, name, accessToken, refreshToken, expiresAt, tokenUrl, clientId });
    return name;
  } catch (error) {
    if (error instanceof TokenRefused) throw new UsageProblem(`${error.message} Try again.`);
    throw error;
  }
}

function authorizeAddress(place: SignInPlace, redirectUri: string, state: string, verifier: string): string {
  const address = new URL(place.authorizeUrl);
  const parameters = {
    response_type: "code",
    client_id: place.clientId,
    redirect_uri: redirectUri,
    scope: "openid email",
    state,
    code_challenge: createHash("sha256").update(verifier).digest("base64url"),
    code_challenge_method: "S256",
  };
  for (const [name, value] of Object.entries(parameters)) address.searchParams.set(name, value);
  return address.href;
}

interface Callback extends AsyncDisposable {
  readonly redirectUri: string;
  readonly code: Promise<string>;
}

async function listenForCode(state: string): Promise<Callback> {
  const { promise: code, resolve, reject } = Promise.withResolvers<string>();
  // It is awaited later; until then nobody else would take its rejection.
  code.catch(() => undefined);
  const server = http.createServer((request, response) => {
    const { status, page, outcome } = readCallback(new URL(request.url ?? "/", "http://localhost"), state);
    response.writeHead(status, {
      "Content-Type": "text/html; charset=utf-8",
      "Content-Security-Policy": "default-src 'none'",
      Connection: "close",
    });
    response.end(`<!doctype html><title>Causeway</title><p>${page}</p>`);
    if (outcome instanceof Error) reject(outcome);
    else if (outcome !== undefined) resolve(outcome);
  });
  const port = await listenOnOneOf(server, callbackPorts);
  const timer = setTimeout(
    () => reject(new UsageProblem("Nobody came back from the sign-in within five minutes. Run it again.")),
    longestWaitMilliseconds,
  );
  return {
    redirectUri: `http://localhost:${port}${callbackPath}`,
    code,
    async [Symbol.asyncDispose]() {
      clearTimeout(timer);
      server.close();
      server.closeIdleConnections();
    },
  };
}

interface CallbackAnswer {
  readonly status: number;
  readonly page: string;
  /** The code, or why there is none; undefined: this was not the one that is waited for. */
  readonly outcome?: string | Error;
}

function readCallback({ pathname, searchParams }: URL, state: string): CallbackAnswer {
  if (pathname !== callbackPath) return { status: 404, page: "There is nothing here." };
  // Anybody's page may send the browser here; only our own sign-in knows the state.
  if (!isSame(searchParams.get("state") ?? "", state)) {
    return { status: 400, page: "This is not the answer to the sign-in that is waited for." };
  }
  const code = searchParams.get("code");
  if (code !== null && code !== "") {
    return { status: 200, page: "You are signed in. Close this page, and go back to the terminal.", outcome: code };
  }
  const reason = /^[\w .:'-]{1,200}$/.exec(
    searchParams.get("error_description") ?? searchParams.get("error") ?? "",
  )?.[0];
  return {
    status: 200,
    page: "You are not signed in. The terminal says why.",
    outcome: new UsageProblem(`The sign-in was refused: ${reason ?? "it gives no reason"}.`),
  };
}

function isSame(left: string, right: string): boolean {
  const [one, other] = [Buffer.from(left), Buffer.from(right)];
  return one.length === other.length && timingSafeEqual(one, other);
}

async function listenOnOneOf(server: http.Server, ports: readonly number[]): Promise<number> {
  for (const port of ports) {
    const isListening = await new Promise<boolean>((resolve, reject) => {
      const refused = (error: NodeJS.ErrnoException) => (error.code === "EADDRINUSE" ? resolve(false) : reject(error));
      server.once("error", refused);
      // Of this machine alone.
      server.listen(port, "localhost", () => {
        server.off("error", refused);
        resolve(true);
      });
    });
    if (isListening) return port;
  }
  throw new UsageProblem(
    `Ports ${ports.join(" and ")} of this machine are taken, and the sign-in sends the browser back to no other. Free one of them.`,
  );
}

/** Where there is none, the printed address serves. */
function openBrowser(address: string): void {
  const [program, ...words] =
    process.platform === "darwin"
      ? ["open"]
      : process.platform === "win32"
        ? ["rundll32", "url.dll,FileProtocolHandler"]
        : ["xdg-open"];
  const child = spawn(program ?? "xdg-open", [...words, address], { stdio: "ignore", detached: true });
  child.on("error", () => undefined);
  child.unref();
}
