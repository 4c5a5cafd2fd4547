// The two refusals of DynamoDB that one writer alone never sees: conflicts of transactions, and an item written too fast.
// Source: "Amazon DynamoDB Transactions: How it works" (transaction conflict handling) and TransactionCanceledException in
// the API reference; "Key range throughput exceeded" in the DynamoDB Developer Guide.
import type { JsonInput } from "../gateway/json-service.ts";
import { ServiceError, type ServiceResponse } from "../gateway/service.ts";
import type { TouchedItem } from "./touched-items.ts";

type Refusal = "TransactionConflict" | "ThrottlingError";

const messages: Readonly<Record<Refusal, string>> = {
  TransactionConflict: "Transaction is ongoing for the item",
  ThrottlingError:
    "Throughput exceeds the current capacity of your table or index. DynamoDB is automatically scaling your table or " +
    "index so please try again shortly. If exceptions persist, check if you have a hot key.",
};

/**
 * What a call gets whose items at these places are refused: an error, or for a batch an answer that leaves all of it undone.
 * `refusedAt` holds indexes of `items`; of a transaction's reasons only those name the refusal.
 */
export function refuse(
  refusal: Refusal,
  operation: string,
  input: JsonInput,
  items: readonly TouchedItem[],
  refusedAt: ReadonlySet<number>,
): ServiceResponse {
  if (operation === "TransactWriteItems" || operation === "TransactGetItems") {
    throw cancelled(items.map((_item, index) => (refusedAt.has(index) ? refusal : undefined)));
  }
  if (operation === "BatchWriteItem") {
    // A batch is no transaction: it answers with what it did not do.
    const body = JSON.stringify({ UnprocessedItems: input.RequestItems });
    return { status: 200, headers: { "content-type": "application/x-amz-json-1.0" }, body };
  }
  const code = refusal === "TransactionConflict" ? "TransactionConflictException" : "ThrottlingException";
  const isThrottle = refusal === "ThrottlingError";
  const reason = { reason: "TableWriteKeyRangeThroughputExceeded", resource: items[0]?.tableName ?? "" };
  throw new ServiceError(400, code, messages[refusal], isThrottle ? { throttlingReasons: [reason] } : {});
}

function cancelled(reasons: readonly (Refusal | undefined)[]): ServiceError {
  const codes = reasons.map((reason) => reason ?? "None").join(", ");
  const message = `Transaction cancelled, please refer cancellation reasons for specific reasons [${codes}]`;
  return new ServiceError(400, "TransactionCanceledException", message, {
    CancellationReasons: reasons.map((reason) =>
      reason === undefined ? { Code: "None" } : { Code: reason, Message: messages[reason] },
    ),
  });
}
