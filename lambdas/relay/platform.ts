// Platforms: whose API a client speaks. A key is allowed some of them; an account belongs to the one its provider speaks.

export const platforms = ["anthropic", "openai", "gemini"] as const;

export type Platform = (typeof platforms)[number];
