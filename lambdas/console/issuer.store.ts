// The user pool's public keys, and what a token that one of them signed says. Keys are fetched when first needed, kept, and
// fetched anew for a key that is not among them, at most so often.
import { createRemoteJWKSet, errors, type JWTPayload, jwtVerify } from "jose";
import { CausewayError } from "../shared/errors.ts";

/** Cognito's keys live for years; a new one is fetched as soon as a token names it. */
const keysKeptMilliseconds = 6 * 60 * 60_000;
/** Tokens with made-up key ids shall not make us ask for every one of them. */
const leastBetweenFetchesMilliseconds = 30_000;
const longestFetchMilliseconds = 3000;

/** Clocks differ a little. */
const clockSkewSeconds = 10;

/** Cognito's access tokens have 1 to 2 KB; a long list of groups makes them longer. */
const longestToken = 8192;

export class IssuerStore {
  readonly #issuer: string;
  readonly #keys: ReturnType<typeof createRemoteJWKSet>;

  constructor(issuer: string) {
    this.#issuer = issuer;
    this.#keys = createRemoteJWKSet(new URL(`${issuer}/.well-known/jwks.json`), {
      cacheMaxAge: keysKeptMilliseconds,
      cooldownDuration: leastBetweenFetchesMilliseconds,
      timeoutDuration: longestFetchMilliseconds,
    });
  }

  /** Throws `Unauthenticated` for a token that is none of this issuer's, `AwsUnavailable` where its keys cannot be had. */
  async claimsOf(token: string): Promise<JWTPayload> {
    if (token.length > longestToken) throw new CausewayError("Unauthenticated", "The token is too long.");
    try {
      const { payload } = await jwtVerify(token, this.#keys, {
        issuer: this.#issuer,
        algorithms: ["RS256"],
        clockTolerance: clockSkewSeconds,
        requiredClaims: ["sub", "exp", "iat", "client_id", "token_use"],
      });
      return payload;
    } catch (error) {
      if (isOurFault(error)) {
        throw new CausewayError("AwsUnavailable", "The keys of the sign-in cannot be had.", { cause: error });
      }
      const reason = error instanceof errors.JWTExpired ? "The token has expired." : "The token is not valid here.";
      throw new CausewayError("Unauthenticated", reason, { cause: error });
    }
  }
}

/** The keys could not be fetched or read: that says nothing about the token. */
function isOurFault(error: unknown): boolean {
  if (!(error instanceof errors.JOSEError)) return true;
  return (
    error instanceof errors.JWKSTimeout || error instanceof errors.JWKSInvalid || error.code === errors.JOSEError.code
  );
}
