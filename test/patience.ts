// Before each test file: vi.waitFor and vi.waitUntil wait as long as expect.poll does, not for their one second.
import { vi } from "vitest";

/** Long enough for a machine that stalls for some seconds, and shorter than a test may take. */
const patienceMilliseconds = 30_000;

const { waitFor, waitUntil } = vi;
vi.waitFor = (callback, options = patienceMilliseconds) => waitFor(callback, options);
vi.waitUntil = (callback, options = patienceMilliseconds) => waitUntil(callback, options);
