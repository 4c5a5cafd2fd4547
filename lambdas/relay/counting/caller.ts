// What is kept of who called: the client's product, and the network, not the address.

const mostClientCharacters = 80;

/** Product and version, such as `claude-cli/2.1.328`; what follows tells of machines and people. */
export function clientOf(userAgent: string | undefined): string {
  const [product = ""] = (userAgent ?? "").trim().split(/\s+/, 1);
  return product.replace(/[^\x21-\x7e]/g, "").slice(0, mostClientCharacters);
}

/** 203.0.113.0/24, 2001:db8:1::/48; empty for what is no address. */
export function networkOf(address: string): string {
  const ipv4 = /^(?:::ffff:)?(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.\d{1,3}$/i.exec(address.trim());
  if (ipv4 !== null) return `${Number(ipv4[1])}.${Number(ipv4[2])}.${Number(ipv4[3])}.0/24`;
  const groups = firstGroups(address.trim().toLowerCase().replace(/%.*$/, ""));
  return groups === undefined ? "" : `${groups.map((group) => group.toString(16)).join(":")}::/48`;
}

/** The first three groups of an IPv6 address; `::` may stand for some of them. */
function firstGroups(address: string): number[] | undefined {
  if (!/^[0-9a-f:]+$/.test(address) || !address.includes(":") || address.split("::").length > 2) return undefined;
  const [head = "", tail] = address.split("::");
  const before = head === "" ? [] : head.split(":");
  const after = tail === undefined || tail === "" ? [] : tail.split(":");
  const gap = tail === undefined ? 0 : 8 - before.length - after.length;
  if (gap < 0 || before.length + gap + after.length !== 8) return undefined;
  const groups = [...before, ...Array<string>(gap).fill("0"), ...after];
  if (groups.some((group) => !/^[0-9a-f]{1,4}$/.test(group))) return undefined;
  return groups.slice(0, 3).map((group) => Number.parseInt(group, 16));
}
