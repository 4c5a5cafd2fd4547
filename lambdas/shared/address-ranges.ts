// Whether an address lies in one of some ranges: single addresses and CIDR ranges, of IPv4 and IPv6.
import ipaddr from "ipaddr.js";

/** False for what is no address, and for ranges of the other family; an IPv6 address that maps an IPv4 one counts as that. */
export function isAddressIn(ranges: readonly string[], address: string): boolean {
  if (!ipaddr.isValid(address)) return false;
  const looked = ipaddr.process(address);
  return ranges.some((range) => {
    const [network, bits] = range.includes("/") ? ipaddr.parseCIDR(range) : [ipaddr.process(range), undefined];
    if (network.kind() !== looked.kind()) return false;
    return bits === undefined ? network.toString() === looked.toString() : looked.match([network, bits] as never);
  });
}
