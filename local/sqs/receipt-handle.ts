// The receipt handle: which message, and which of its receives.
import { ServiceError } from "../gateway/service.ts";

export interface Receipt {
  readonly messageId: string;
  readonly receipt: string;
}

export function handleOf({ messageId, receipt }: Receipt): string {
  return Buffer.from(`${messageId} ${receipt}`).toString("base64");
}

/** Throws ServiceError ReceiptHandleIsInvalid. */
export function readHandle(handle: string): Receipt {
  const [messageId, receipt] = Buffer.from(handle, "base64").toString("utf8").split(" ");
  if (messageId && receipt) return { messageId, receipt };
  throw new ServiceError(400, "ReceiptHandleIsInvalid", `The receipt handle "${handle}" is not valid.`);
}
