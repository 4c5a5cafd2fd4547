// What keeps the invocations of one environment apart: each runs in an async context of its own, which the runtime's store
// (`awslambda.InvokeStore`) makes known to the AWS SDK and to Powertools. Source: @aws/lambda-invoke-store, which they use.
import { AsyncLocalStorage } from "node:async_hooks";
import type { CallingInvocation } from "./outgoing-calls.ts";

export interface RunningInvocation extends CallingInvocation {
  readonly requestId: string;
  readonly traceId: string;
}

interface StoredContext {
  readonly invocation: RunningInvocation;
  readonly values: Map<PropertyKey, unknown>;
}

const requestIdKey = Symbol.for("_AWS_LAMBDA_REQUEST_ID");
const traceIdKey = Symbol.for("_AWS_LAMBDA_X_RAY_TRACE_ID");
const protectedKeys = new Set<PropertyKey>([requestIdKey, traceIdKey, Symbol.for("_AWS_LAMBDA_TENANT_ID")]);

const storage = new AsyncLocalStorage<StoredContext>();

/** Undefined outside of any invocation. */
export function currentInvocation(): RunningInvocation | undefined {
  return storage.getStore()?.invocation;
}

export function runApart<Result>(invocation: RunningInvocation, work: () => Result): Result {
  const values = new Map<PropertyKey, unknown>([
    [requestIdKey, invocation.requestId],
    [traceIdKey, invocation.traceId],
  ]);
  return storage.run({ invocation, values }, work);
}

/** Call after `awslambda` is there. */
export function provideInvokeStore(): void {
  const { awslambda } = globalThis as unknown as { awslambda: object };
  const get = (key: PropertyKey) => storage.getStore()?.values.get(key);
  const InvokeStore = {
    getContext: () => Object.fromEntries(storage.getStore()?.values ?? []),
    hasContext: () => storage.getStore() !== undefined,
    get,
    set(key: PropertyKey, value: unknown) {
      if (protectedKeys.has(key)) throw new Error(`Cannot modify protected Lambda context field: ${String(key)}`);
      const store = storage.getStore();
      if (!store) throw new Error("No context available");
      store.values.set(key, value);
    },
    isProtectedKey: (key: PropertyKey) => protectedKeys.has(key),
    getRequestId: () => get(requestIdKey) ?? "-",
    getXRayTraceId: () => get(traceIdKey),
    getTenantId: () => undefined,
  };
  Object.assign(awslambda, { InvokeStore });
}
