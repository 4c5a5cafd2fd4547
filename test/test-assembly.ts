// Where the tests' synthesised templates lie.
import { resolve } from "node:path";

export const testAssembly = resolve(import.meta.dirname, "../.causeway/test/cdk.out");
