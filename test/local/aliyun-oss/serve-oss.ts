// A process of its own that serves OSS until it is killed: `node serve-oss.ts STATE_DIRECTORY`. Prints its address.
import { startOss } from "../../../local/aliyun-oss/aliyun-oss.ts";
import { Clock } from "../../../local/rig/clock.ts";
import { Faults } from "../../../local/rig/faults.ts";
import { bucket, owner } from "./oss-fixture.ts";

const [stateDirectory] = process.argv.slice(2);
if (stateDirectory === undefined) throw new Error("usage: node serve-oss.ts STATE_DIRECTORY");
const oss = await startOss({ clock: new Clock(), faults: new Faults(), stateDirectory, credentials: owner });
oss.ensureBucket(bucket);
console.log(oss.url);
