// A process of its own that serves S3 until it is killed: `node serve-s3.ts STATE_DIRECTORY`. Prints its address.
import { startS3Rig } from "./s3-rig.ts";

const [stateDirectory] = process.argv.slice(2);
if (stateDirectory === undefined) throw new Error("usage: node serve-s3.ts STATE_DIRECTORY");
const rig = await startS3Rig({ stateDirectory, smallestPartBytes: 1 });
console.log(rig.url);
