// Waits with jitter draw their length from Math.random: with small draws, a test meets the same retries in no time.
import { vi } from "vitest";

/** To be called before each test. Draws still differ from one another: nonces are made of them too. */
export function calmRandom(): void {
  vi.restoreAllMocks();
  const random = Math.random.bind(Math);
  vi.spyOn(Math, "random").mockImplementation(() => random() / 1000);
}
