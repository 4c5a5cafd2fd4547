// How the price tables are written down: dollars as people read them on price pages, made into integer nano-USD here.
import type { Platform } from "../platform.ts";
import type { Price, Rates } from "./price.ts";

const nanoPerUsd = 1_000_000_000;

/** Dollars per million tokens, as price pages give them. */
export interface Dollars {
  readonly input: number;
  readonly output: number;
  /** Absent: as input. */
  readonly write5m?: number;
  readonly write1h?: number;
  readonly read?: number;
}

export interface Row {
  /** Names without a date; dated versions (`-20250929`, `-2025-08-07`) and `-latest` are priced as they are. */
  readonly models: readonly string[];
  readonly family: string;
  readonly dollars: Dollars;
  readonly long?: { readonly aboveInputTokens: number; readonly dollars: Dollars };
  /** Dollars per thousand calls. */
  readonly tools?: Readonly<Record<string, number>>;
  readonly tiers?: Readonly<Record<string, number>>;
  readonly context: number;
  readonly mostOutput: number;
  readonly source: string;
  /** Where it was read later than the rest of the table. */
  readonly read?: string;
  /** Absent: the day on which the table was reviewed is early enough for all requests. */
  readonly from?: string;
}

/** Before any request of the relay. */
const always = "2025-01-01T00:00:00.000Z";

/** Dated versions end in digits of this century; more than that is another model, whose price nobody has looked up. */
const endings = ["", "-20*", "-latest"] as const;

export function pricesOf(platform: Platform, reviewed: string, rows: readonly Row[]): Price[] {
  return rows.flatMap((row) =>
    row.models.flatMap((model) =>
      endings.map(
        (ending): Price => ({
          platform,
          model: model + ending,
          family: row.family,
          rates: ratesOf(row.dollars),
          longContext:
            row.long === undefined
              ? null
              : { aboveInputTokens: row.long.aboveInputTokens, rates: ratesOf(row.long.dollars) },
          serverTools: Object.fromEntries(
            Object.entries(row.tools ?? {}).map(([tool, dollars]) => [tool, nano(dollars / 1000)]),
          ),
          tiers: row.tiers ?? {},
          contextWindowTokens: row.context,
          mostOutputTokens: row.mostOutput,
          source: row.source,
          date: row.read ?? reviewed,
          effectiveFrom: row.from ?? always,
        }),
      ),
    ),
  );
}

function ratesOf({ input, output, write5m, write1h, read }: Dollars): Rates {
  return {
    input: nano(input),
    output: nano(output),
    cacheWrite5m: nano(write5m ?? input),
    cacheWrite1h: nano(write1h ?? write5m ?? input),
    cacheRead: nano(read ?? input),
  };
}

/** Prices have at most nine decimals: rounding only takes away what binary fractions added. */
function nano(dollars: number): number {
  return Math.round(dollars * nanoPerUsd);
}
