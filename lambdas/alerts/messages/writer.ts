// Times and sizes as the people of a stage read them.
import type { Writer } from "../texts/text.ts";

/** `2026-11-20 23:21 (Asia/Shanghai)`: the same in both languages, and it sorts. */
export function writerFor({ timeZone }: { readonly timeZone: string }, never: string): Writer {
  const format = new Intl.DateTimeFormat("en-GB", {
    timeZone,
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23",
  });
  return {
    time(at) {
      const moment = at === null ? Number.NaN : Date.parse(at);
      if (Number.isNaN(moment)) return at ?? never;
      const parts = new Map(format.formatToParts(moment).map(({ type, value }) => [type, value]));
      const of = (type: Intl.DateTimeFormatPartTypes) => parts.get(type) ?? "";
      return `${of("year")}-${of("month")}-${of("day")} ${of("hour")}:${of("minute")} (${timeZone})`;
    },
    bytes(count) {
      const power = Math.min(units.length - 1, count < 1024 ? 0 : Math.floor(Math.log2(count) / 10));
      const value = count / 1024 ** power;
      return `${power === 0 ? value : value.toFixed(1)} ${units[power]}`;
    },
    usd(nanoUsd) {
      const dollars = nanoUsd / nanoPerUsd;
      return `$${dollars !== 0 && Math.abs(dollars) < 0.01 ? dollars.toFixed(6) : dollars.toFixed(2)}`;
    },
  };
}

const nanoPerUsd = 1_000_000_000;

const units = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB"] as const;
