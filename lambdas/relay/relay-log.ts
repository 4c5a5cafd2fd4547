// The relay's log by category (main, proxy, sync, scheduler), each with a level of its own that is changed while it runs.
import type { Log } from "../shared/log.ts";
import type { RelaySettings } from "./settings.ts";

export type LogCategory = keyof RelaySettings["logLevels"];
type Level = RelaySettings["logLevels"][LogCategory];
type Fields = Readonly<Record<string, unknown>>;

const order: readonly Level[] = ["DEBUG", "INFO", "WARN", "ERROR"];

/** `levels` is asked at every line: the settings of the moment. */
export class RelayLog {
  readonly #log: Log;
  readonly #levels: () => RelaySettings["logLevels"];

  constructor(log: Log, levels: () => RelaySettings["logLevels"]) {
    this.#log = log;
    this.#levels = levels;
  }

  isOn(category: LogCategory, level: Level): boolean {
    return order.indexOf(level) >= order.indexOf(this.#levels()[category]);
  }

  /** Lambda itself leaves out lines of the level DEBUG: where they are wanted, they are written as INFO and say what they are. */
  debug(category: LogCategory, message: string, fields: Fields = {}): void {
    if (this.isOn(category, "DEBUG")) this.#log.info(message, { category, detail: true, ...fields });
  }

  info(category: LogCategory, message: string, fields: Fields = {}): void {
    if (this.isOn(category, "INFO")) this.#log.info(message, { category, ...fields });
  }

  warn(category: LogCategory, message: string, fields: Fields = {}): void {
    if (this.isOn(category, "WARN")) this.#log.warn(message, { category, ...fields });
  }

  error(category: LogCategory, message: string, fields: Fields = {}): void {
    this.#log.error(message, { category, ...fields });
  }
}
