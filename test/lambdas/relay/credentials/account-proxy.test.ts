// An account's proxy: its address from the settings, its user from the credential.
import { expect, it } from "vitest";
import { proxyOf } from "../../../../lambdas/relay/credentials/account-proxy.ts";

const proxy = { type: "socks5", host: "proxy.example.com", port: 1080 } as const;

it("joins settings and credential", () => {
  const credential = { apiKey: "k", proxyUsername: "me", proxyPassword: "pw" };
  expect(proxyOf({ proxy }, credential)).toEqual({ ...proxy, username: "me", password: "pw" });
});

it("is open to anybody without a user", () => {
  expect(proxyOf({ proxy }, { apiKey: "k" })).toEqual(proxy);
});

it("is none where the account has none", () => {
  expect(proxyOf({ proxy: null }, { proxyUsername: "me" })).toBeUndefined();
});
