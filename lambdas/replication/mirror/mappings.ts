// Which keys are mirrored, and where to: prefixes of S3 and the prefixes of OSS in their place.

export interface Mapping {
  /** Folders, with a slash at the end. No mapping's is below another's. */
  readonly from: string;
  readonly to: string;
}

/** Undefined: the key lies below no mapping, and is not mirrored. */
export function targetKeyOf(sourceKey: string, mappings: readonly Mapping[]): string | undefined {
  const mapping = mappings.find(({ from }) => sourceKey.startsWith(from));
  return mapping && mapping.to + sourceKey.slice(mapping.from.length);
}
