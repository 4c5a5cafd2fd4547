// The issuer's keys over real HTTP: fetched once, anew for an unknown key but not for every one, and an outage is ours.
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, SignJWT } from "jose";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { IssuerStore } from "../../../lambdas/console/issuer.store.ts";
import { rejection } from "../replication/outcomes.ts";

interface Signer {
  readonly kid: string;
  readonly privateKey: CryptoKey;
  readonly jwk: JWK;
}

let server: Server;
let issuer: string;
let published: readonly JWK[];
let answer: "keys" | "error" | "nonsense" | "silence";
let asked: number;

async function newSigner(kid: string): Promise<Signer> {
  const { privateKey, publicKey } = await generateKeyPair("RS256", { extractable: true });
  return { kid, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg: "RS256", use: "sig" } };
}

function tokenOf({ kid, privateKey }: Signer, claims: Record<string, unknown> = {}): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  const standard = { iss: issuer, sub: "s", iat: now, exp: now + 60, client_id: "c", token_use: "access" };
  return new SignJWT({ ...standard, ...claims }).setProtectedHeader({ alg: "RS256", kid }).sign(privateKey);
}

beforeEach(async () => {
  asked = 0;
  answer = "keys";
  published = [];
  server = createServer((request, response) => {
    if (request.url !== "/pool/.well-known/jwks.json") response.writeHead(404).end();
    else {
      asked += 1;
      if (answer === "error") response.writeHead(500).end();
      else if (answer === "nonsense") response.end("<html>");
      else if (answer === "keys") response.end(JSON.stringify({ keys: published }));
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}/pool`;
});

afterEach(() => {
  vi.restoreAllMocks();
  server.closeAllConnections();
  server.close();
});

describe("a token", () => {
  it("of the issuer says its claims, and its keys are fetched once for many", async () => {
    const signer = await newSigner("one");
    published = [signer.jwk];
    const store = new IssuerStore(issuer);
    const tokens = await Promise.all(Array.from({ length: 20 }, () => tokenOf(signer)));
    const claims = await Promise.all(tokens.map((token) => store.claimsOf(token)));
    expect(claims).toEqual(Array(20).fill(expect.objectContaining({ sub: "s", client_id: "c" })));
    expect(asked).toBe(1);
  });

  it.each([
    ["has no expiry", { exp: undefined }],
    ["has no client", { client_id: undefined }],
    ["is not valid yet", { nbf: Math.floor(Date.now() / 1000) + 600 }],
    ["expired a minute ago", { exp: Math.floor(Date.now() / 1000) - 60 }],
    ["is for another pool", { iss: "https://elsewhere.example/pool" }],
  ])("that %s is refused", async (_what, claims) => {
    const signer = await newSigner("one");
    published = [signer.jwk];
    expect(await rejection(new IssuerStore(issuer).claimsOf(await tokenOf(signer, claims)))).toMatchObject({
      name: "Unauthenticated",
    });
  });

  it("that expired some seconds ago is taken, for clocks differ", async () => {
    const signer = await newSigner("one");
    published = [signer.jwk];
    const claims = { exp: Math.floor(Date.now() / 1000) - 3 };
    expect(await new IssuerStore(issuer).claimsOf(await tokenOf(signer, claims))).toMatchObject({ sub: "s" });
  });
});

describe("the keys", () => {
  it("are fetched anew for a key that is not among them, but not for every such token", async () => {
    const [first, second, stranger] = [await newSigner("one"), await newSigner("two"), await newSigner("made-up")];
    published = [first.jwk];
    const store = new IssuerStore(issuer);
    await store.claimsOf(await tokenOf(first));
    published = [first.jwk, second.jwk];
    const now = Date.now();
    vi.spyOn(Date, "now").mockImplementation(() => now + 31_000);
    expect(await store.claimsOf(await tokenOf(second))).toMatchObject({ sub: "s" });
    expect(asked).toBe(2);
    for (let again = 0; again < 5; again += 1) {
      expect(await rejection(store.claimsOf(await tokenOf(stranger)))).toMatchObject({ name: "Unauthenticated" });
    }
    expect(asked).toBe(2);
  });

  it.each(["error", "nonsense"] as const)("that cannot be had (%s) are our fault, not the caller's", async (how) => {
    const signer = await newSigner("one");
    answer = how;
    const store = new IssuerStore(issuer);
    expect(await rejection(store.claimsOf(await tokenOf(signer)))).toMatchObject({ name: "AwsUnavailable" });
    answer = "keys";
    published = [signer.jwk];
    expect(await store.claimsOf(await tokenOf(signer))).toMatchObject({ sub: "s" });
  });

  it("that nobody hands out are our fault, too", async () => {
    const signer = await newSigner("one");
    const token = await tokenOf(signer);
    await new Promise((resolve) => server.close(resolve));
    expect(await rejection(new IssuerStore(issuer).claimsOf(token))).toMatchObject({ name: "AwsUnavailable" });
  });

  it("that were had once serve through an outage", async () => {
    const signer = await newSigner("one");
    published = [signer.jwk];
    const store = new IssuerStore(issuer);
    await store.claimsOf(await tokenOf(signer));
    answer = "error";
    const now = Date.now();
    vi.spyOn(Date, "now").mockImplementation(() => now + 3_600_000);
    expect(await store.claimsOf(await tokenOf(signer, { exp: Math.floor(now / 1000) + 7200 }))).toMatchObject({
      sub: "s",
    });
  });
});
