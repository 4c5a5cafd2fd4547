// Hosts that a stage allows, and proxies: what the guard lets through for them, and what it never does.
import type { LookupAddress } from "node:dns";
import { describe, expect, it } from "vitest";
import {
  type AddressPolicy,
  checkAddress,
  checkProxyAddress,
  guardedLookup,
  isAllowedHost,
} from "../../../lambdas/shared/guarded-address.ts";

const refused = expect.objectContaining({ name: "AddressRefused" });

function policyOf(...allowedHosts: readonly string[]): AddressPolicy {
  return { allowLoopback: false, allowedHosts };
}

/** What the name resolves to, under the policy; throws what the guard throws. */
function lookUp(address: string, policy: AddressPolicy, ...addresses: readonly string[]): Promise<unknown> {
  const known = addresses.map((found) => ({ address: found, family: found.includes(":") ? 6 : 4 }));
  const resolve = (_name: string, _options: unknown, callback: (error: null, found: LookupAddress[]) => void) =>
    callback(null, known);
  const url = checkAddress(address, policy);
  const guarded = guardedLookup(url, {
    ...policy,
    resolve: resolve as unknown as NonNullable<AddressPolicy["resolve"]>,
  });
  return new Promise((done, fail) => {
    guarded(url.hostname, {}, (error, found) => (error ? fail(error) : done(found)));
  });
}

describe("a host that the stage allows", () => {
  it.each(["10.1.2.3", "192.168.0.7", "172.20.0.1", "100.64.0.9", "fd12:3456::1", "8.8.8.8"])(
    "may lie inside, at %s",
    async (inside) => {
      expect(await lookUp("https://models.internal/v1", policyOf("models.internal"), inside)).toBe(inside);
    },
  );

  it.each([
    ["loopback", "127.0.0.1"],
    ["link-local, where metadata is", "169.254.169.254"],
    ["AWS's metadata by IPv6", "fd00:ec2::254"],
    ["Aliyun's metadata", "100.100.100.200"],
    ["metadata, mapped into IPv6", "::ffff:169.254.169.254"],
    ["link-local by IPv6", "fe80::1"],
    ["nothing", "0.0.0.0"],
    ["multicast", "224.0.0.1"],
  ])("never leads to %s by its name", async (_what, inside) => {
    await expect(lookUp("https://models.internal/v1", policyOf("models.internal"), inside)).rejects.toEqual(refused);
    await expect(lookUp("https://models.internal/v1", policyOf("models.internal"), "10.0.0.1", inside)).rejects.toEqual(
      refused,
    );
  });

  it("needs https all the same", () => {
    expect(() => checkAddress("http://models.internal/", policyOf("models.internal"))).toThrow(refused);
    expect(() => checkAddress("http://10.0.0.5/", policyOf("10.0.0.5"))).toThrow(refused);
  });

  it("is that host alone, at that port alone where one is given", () => {
    const at = (address: string, ...hosts: readonly string[]) =>
      isAllowedHost(new URL(address), { allowedHosts: hosts });
    expect(at("https://models.internal/", "models.internal")).toBe(true);
    expect(at("https://MODELS.internal:8443/", "Models.Internal")).toBe(true);
    expect(at("https://models.internal:8443/", "models.internal:8443")).toBe(true);
    expect(at("https://models.internal/", "models.internal:443")).toBe(true);
    expect(at("https://models.internal:8443/", "models.internal:443")).toBe(false);
    expect(at("https://models.internal/", "models.internal:8443")).toBe(false);
    expect(at("https://evil.models.internal/", "models.internal")).toBe(false);
    expect(at("https://models.internal.evil.com/", "models.internal")).toBe(false);
    expect(at("https://models.internal/")).toBe(false);
  });

  it("may be an address itself, and then any that somebody wrote down", () => {
    for (const host of ["10.0.0.5", "[fd12::5]", "127.0.0.1"]) {
      expect(checkAddress(`https://${host}:8443/`, policyOf(`${host}:8443`)).hostname).toBe(host);
      expect(() => checkAddress(`https://${host}:8444/`, policyOf(`${host}:8443`))).toThrow(refused);
    }
  });

  it("makes no other host an allowed one", async () => {
    await expect(lookUp("https://other.internal/", policyOf("models.internal"), "10.0.0.1")).rejects.toEqual(refused);
    expect(() => checkAddress("https://10.0.0.6/", policyOf("10.0.0.5"))).toThrow(refused);
  });
});

describe("a proxy", () => {
  it("is an address like others", () => {
    expect(checkProxyAddress("proxy.example.com", 3128, policyOf()).host).toBe("proxy.example.com:3128");
    expect(checkProxyAddress("8.8.8.8", 443, policyOf()).hostname).toBe("8.8.8.8");
    expect(checkProxyAddress("2606:4700::1111", 1080, policyOf()).hostname).toBe("[2606:4700::1111]");
    expect(checkProxyAddress("10.0.0.9", 3128, policyOf("10.0.0.9:3128")).hostname).toBe("10.0.0.9");
  });

  it.each(["10.0.0.1", "127.0.0.1", "169.254.169.254", "::1", "0x7f.1", "2130706433"])(
    "is refused inside: %s",
    (host) => {
      expect(() => checkProxyAddress(host, 3128, policyOf())).toThrow(refused);
    },
  );

  it.each([
    "a@b.example",
    "b.example/x",
    "b.example?x",
    "b.example#x",
    "user:pw@b.example",
    "b.example:99",
    "",
    "b .example",
  ])("is a host and nothing more: %j", (host) => {
    expect(() => checkProxyAddress(host, 3128, policyOf())).toThrow(refused);
  });
});
