// The types of check-node.mjs.

/** The oldest Node that runs this project. */
export declare const requiredNodeMajor: number;

/** What is wrong with this Node version and how to cure it; nothing where it is new enough. */
export declare function nodeComplaint(version: string): string | undefined;
