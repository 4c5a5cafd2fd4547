// A page of a list, as the routes answer it.

export interface PageOf<Item> {
  readonly items: Item[];
  /** Null at the end. */
  readonly cursor: string | null;
}
