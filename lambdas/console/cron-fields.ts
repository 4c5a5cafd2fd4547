// Whether a cron expression can be one of EventBridge Scheduler's: each field by its range, one of the two days a "?".
// Source: "Schedule types in EventBridge Scheduler" in its user guide.

interface Field {
  readonly least: number;
  readonly most: number;
  readonly names?: readonly string[];
  /** Whole values that mean something of their own. */
  readonly special?: RegExp;
}

const monthNames = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const dayNames = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

const fields: readonly Field[] = [
  { least: 0, most: 59 },
  { least: 0, most: 23 },
  { least: 1, most: 31, special: /^(\?|L|LW|L-\d{1,2}|(?:[1-9]|[12]\d|3[01])W)$/ },
  { least: 1, most: 12, names: monthNames },
  { least: 1, most: 7, names: dayNames, special: /^(\?|L|(?:[1-7]|SUN|MON|TUE|WED|THU|FRI|SAT)(?:L|#[1-5]))$/ },
  { least: 1970, most: 2199 },
];

/** Expects the form `cron(a b c d e f)`. */
export function isCronExpression(expression: string): boolean {
  const parts = expression.slice("cron(".length, -1).split(" ");
  if (parts.length !== fields.length) return false;
  const [dayOfMonth, dayOfWeek] = [parts[2], parts[4]];
  // Scheduler wants exactly one of them to say nothing.
  if ((dayOfMonth === "?") === (dayOfWeek === "?")) return false;
  return fields.every((field, index) => isFieldValue(parts[index] ?? "", field));
}

function isFieldValue(text: string, field: Field): boolean {
  if (field.special?.test(text)) return true;
  return text.split(",").every((item) => isItem(item, field));
}

/** `5`, `1-5`, `*`, each with or without `/step`. */
function isItem(item: string, field: Field): boolean {
  const [range = "", step, ...rest] = item.split("/");
  if (rest.length > 0 || (step !== undefined && !/^[1-9]\d{0,3}$/.test(step))) return false;
  if (range === "*") return true;
  const ends = range.split("-");
  return ends.length <= 2 && ends.every((end) => isValue(end, field));
}

function isValue(text: string, { least, most, names }: Field): boolean {
  if (names?.includes(text.toUpperCase())) return true;
  return /^\d{1,4}$/.test(text) && Number(text) >= least && Number(text) <= most;
}
