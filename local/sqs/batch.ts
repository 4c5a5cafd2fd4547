// What SendMessageBatch and DeleteMessageBatch have in common: ids to tell entries apart, and an outcome for each.
import { ServiceError } from "../gateway/service.ts";

const mostEntries = 10;

/** Throws ServiceError with AWS's name for what is wrong with the batch as a whole. */
export function checkEntryIds(ids: readonly string[]): void {
  if (ids.length === 0) throw refused("EmptyBatchRequest", "There should be at least one entry in the request.");
  if (ids.length > mostEntries) {
    throw refused("TooManyEntriesInBatchRequest", `Maximum number of entries per request are ${mostEntries}.`);
  }
  if (new Set(ids).size < ids.length) throw refused("BatchEntryIdsNotDistinct", "Two entries have the same Id.");
  if (!ids.every((id) => /^[\w-]{1,80}$/.test(id))) throw refused("InvalidBatchEntryId", "An Id is not valid.");
}

/** One entry's error is that entry's failure, not the batch's. */
export function eachEntry<Entry extends { readonly Id: string }>(
  entries: readonly Entry[],
  work: (entry: Entry) => object,
): { readonly Successful: object[]; readonly Failed: object[] } {
  const Successful: object[] = [];
  const Failed: object[] = [];
  for (const entry of entries) {
    try {
      Successful.push({ Id: entry.Id, ...work(entry) });
    } catch (error) {
      if (!(error instanceof ServiceError)) throw error;
      Failed.push({ Id: entry.Id, Code: error.code, Message: error.message, SenderFault: error.status < 500 });
    }
  }
  return { Successful, Failed };
}

function refused(code: string, sentence: string): ServiceError {
  return new ServiceError(400, code, sentence);
}
