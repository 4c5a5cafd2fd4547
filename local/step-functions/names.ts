// ARNs of state machines, executions and Map Runs, and what an execution may be called.
import { createHash } from "node:crypto";
import { ServiceError } from "../gateway/service.ts";

const longestNameCharacters = 80;

/**
 * White space, brackets, wildcards, the special characters AWS lists, control characters, surrogates
 * (StartExecution, API reference, "name").
 */
const forbiddenInNames =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for.
  /[\s<>{}[\]?*"#%\\^|~`$&,;:/\u0000-\u001f\u007f-\u009f\ud800-\udfff\ufffe\uffff]/;

/** Throws InvalidName. */
export function checkExecutionName(name: string): void {
  if (name.length < 1 || name.length > longestNameCharacters || forbiddenInNames.test(name)) {
    throw new ServiceError(400, "InvalidName", `Invalid Name: '${name}'`);
  }
}

/** `arn:aws:states:REGION:ACCOUNT:stateMachine:NAME` with the label of a Distributed Map after a slash, if any. */
export function qualifiedMachineArn(machineArn: string, label: string | undefined): string {
  return label === undefined ? machineArn : `${machineArn}/${label}`;
}

export function executionArn(machineArn: string, label: string | undefined, name: string): string {
  return `${qualifiedMachineArn(machineArn, label).replace(":stateMachine:", ":execution:")}:${name}`;
}

export function mapRunArn(machineArn: string, label: string, id: string): string {
  return `${qualifiedMachineArn(machineArn, label).replace(":stateMachine:", ":mapRun:")}:${id}`;
}

/** The last part of an ARN. */
export function lastPart(arn: string): string {
  return arn.slice(arn.lastIndexOf(":") + 1);
}

/** AWS invents a label for a Distributed Map that has none; this one is the same at every boot. */
export function inventLabel(statePath: string): string {
  return createHash("sha256").update(statePath).digest("hex").slice(0, 32);
}

export const labelPattern = /^[\w-]{1,40}$/;
