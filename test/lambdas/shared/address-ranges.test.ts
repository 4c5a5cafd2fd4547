// Addresses and ranges of both families, as lists of allowed callers use them.
import { expect, it } from "vitest";
import { isAddressIn } from "../../../lambdas/shared/address-ranges.ts";

it.each([
  ["203.0.113.7", ["203.0.113.7"], true],
  ["203.0.113.8", ["203.0.113.7"], false],
  ["203.0.113.8", ["198.51.100.0/24", "203.0.113.0/24"], true],
  ["203.0.114.8", ["203.0.113.0/24"], false],
  ["::ffff:203.0.113.8", ["203.0.113.0/24"], true],
  ["2001:db8:1::5", ["2001:db8:1::/48"], true],
  ["2001:db8:0001:0::5", ["2001:db8:1::5"], true],
  ["2001:db8:2::5", ["2001:db8:1::/48", "203.0.113.0/24"], false],
  ["not an address", ["0.0.0.0/0"], false],
  ["203.0.113.8", [], false],
])("%s in %j: %s", (address, ranges, expected) => {
  expect(isAddressIn(ranges, address)).toBe(expected);
});
