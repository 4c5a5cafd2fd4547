// Stops with one clear sentence where Node is too old to run this project; imported first by every program here.
// Plain JavaScript on purpose: an old Node cannot even read the TypeScript files.

export const requiredNodeMajor = 24;

/**
 * @param {string} version such as "24.9.0"
 * @returns {string | undefined} what is wrong and how to cure it, or nothing
 */
export function nodeComplaint(version) {
  const major = Number.parseInt(version, 10);
  if (major >= requiredNodeMajor) return undefined;
  return (
    `Causeway needs Node ${requiredNodeMajor} and this is Node ${version}. ` +
    `"npm ci" brings the right one: start programs with "npm run …" or "npx node …", which use it. ` +
    `If this came from "npm run", the install scripts were blocked: run "npm rebuild node".`
  );
}

const complaint = nodeComplaint(process.versions.node);
if (complaint !== undefined) {
  process.stderr.write(`${complaint}\n`);
  process.exit(1);
}
