// Built at first use and kept: clients and settings of a Lambda instance.

/** A failed build is not kept: the next call tries again. */
export function lazy<Value>(build: () => Value): () => Value {
  let kept: { readonly value: Value } | undefined;
  return () => {
    kept ??= { value: build() };
    return kept.value;
  };
}
