// An error that the person at the keyboard can cure; its message says how.
export class UsageProblem extends Error {
  override readonly name = "UsageProblem";
}
