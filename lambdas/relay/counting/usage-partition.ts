// Where a record lies in RelayUsage: by the hour and the lane that follow from its request's id alone, so that whoever has the id finds it.
import { crc32 } from "node:zlib";
import { timeOfRequestId } from "../request-id.ts";
import { hourAt, laneCount, laneOf, recordsOf } from "./units.ts";

/** `r#<yyyymmddhh>#<lane>`. Throws `InputInvalid` where it is no request id. */
export function partitionOf(requestId: string): string {
  return recordsOf(laneOf(hourAt(timeOfRequestId(requestId)), crc32(requestId) % laneCount));
}
