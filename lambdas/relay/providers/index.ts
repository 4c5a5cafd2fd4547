// Registry of providers: the key is the name in an account, in logs and in events. Each is loaded when it is first used.
import type { Provider } from "./provider.ts";

export const providers = {
  anthropic: () => import("./anthropic.ts").then(({ anthropic }) => anthropic),
  "anthropic-compatible": () =>
    import("./anthropic-compatible.ts").then(({ anthropicCompatible }) => anthropicCompatible),
  openai: () => import("./openai.ts").then(({ openai }) => openai),
  "openai-compatible": () => import("./openai-compatible.ts").then(({ openaiCompatible }) => openaiCompatible),
  gemini: () => import("./gemini.ts").then(({ gemini }) => gemini),
} as const satisfies Record<string, () => Promise<Provider>>;

export type ProviderName = keyof typeof providers;

const loaded = new Map<string, Promise<Provider>>();

/** Undefined: there is no provider of that name. */
export function providerNamed(name: string): Promise<Provider> | undefined {
  const known = loaded.get(name);
  if (known !== undefined) return known;
  if (!isProviderName(name)) return undefined;
  const loading = providers[name]();
  loaded.set(name, loading);
  return loading;
}

function isProviderName(name: string): name is ProviderName {
  return Object.hasOwn(providers, name);
}
