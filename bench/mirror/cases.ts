// The cases of the mirror benchmark: what lies in S3, and how much at once each contestant may do.
import { seededRandom } from "../../local/rig/faults.ts";

export const caseNames = ["small", "large"] as const;
export type CaseName = (typeof caseNames)[number];

export interface BenchObject {
  readonly key: string;
  readonly sizeBytes: number;
}

export interface MirrorCase {
  readonly name: CaseName;
  readonly objects: readonly BenchObject[];
  readonly totalBytes: number;
}

/** Objects on their way at the same time: four Lambdas with five keys each, and rclone's --transfers. */
export const objectsAtOnce = 20;
/** Parts of the large object under way at the same time, and their size: as the copy engine has it. */
export const partsAtOnce = 8;
export const partBytes = 8 * 1024 ** 2;

const defaultObjects = 1000;
const [smallestBytes, largestBytes] = [1024, 64 * 1024];
const defaultLargeBytes = 2 * 1024 ** 3;
export const prefixes: Readonly<Record<CaseName, string>> = { small: "mysql/small/", large: "mysql/large/" };

export function makeCase(name: CaseName, count: number | undefined, sizeBytes: number | undefined): MirrorCase {
  const objects =
    name === "small" ? smallObjects(count ?? defaultObjects) : [largeObject(sizeBytes ?? defaultLargeBytes)];
  return { name, objects, totalBytes: objects.reduce((sum, object) => sum + object.sizeBytes, 0) };
}

function smallObjects(count: number): BenchObject[] {
  const random = seededRandom(1);
  return Array.from({ length: count }, (_, index) => ({
    key: `${prefixes.small}${String(index % 10)}/backup-${index}.xb`,
    sizeBytes: smallestBytes + Math.floor(random() * (largestBytes - smallestBytes + 1)),
  }));
}

function largeObject(sizeBytes: number): BenchObject {
  return { key: `${prefixes.large}backup.xb`, sizeBytes };
}
