#!/usr/bin/env node
// The `causeway` command: checks the Node version with a clear sentence before anything newer is parsed.
import "../scripts/check-node.mjs";

await import("./main.ts");
