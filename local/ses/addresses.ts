// Mail addresses as SES reads them, and which verified identity stands behind one.
// Source: "Verified identities in Amazon SES": a domain covers its subdomains, an address goes before its domain.

/** The bare address of `Name <a@b>` or `a@b`, its domain in lower case; undefined when it is none. */
export function bareAddress(written: string): string | undefined {
  const inner = /^[^<>]*<([^<>]+)>\s*$/.exec(written)?.[1] ?? written.trim();
  const [, local, domain] = /^([^\s@<>,;]{1,64})@([A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+)$/.exec(inner) ?? [];
  return local !== undefined && domain !== undefined ? `${local}@${domain.toLowerCase()}` : undefined;
}

/** The address itself or the closest domain above it, if one of them is verified. */
export function identityOf(address: string, verified: ReadonlySet<string>): string | undefined {
  if (verified.has(address)) return address;
  const labels = address.slice(address.lastIndexOf("@") + 1).split(".");
  for (let first = 0; first < labels.length - 1; first += 1) {
    const domain = labels.slice(first).join(".");
    if (verified.has(domain)) return domain;
  }
  return undefined;
}
