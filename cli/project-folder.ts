// Where this project lies on the disk, and where its local cloud keeps its data unless told otherwise.
import { resolve } from "node:path";

export const projectFolder = resolve(import.meta.dirname, "..");
export const stateFolder = resolve(projectFolder, ".causeway");
