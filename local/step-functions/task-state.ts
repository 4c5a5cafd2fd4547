// Task states: what is called, the events around it, and the errors it may end with.

import { raceDeadline } from "./deadline-race.ts";
import type { TaskState } from "./definition.ts";
import { unexpectedType } from "./expressions.ts";
import { isJsonObject, type Json, type JsonObject } from "./json.ts";
import { invokeFunction } from "./lambda-task.ts";
import { numberField } from "./number-field.ts";
import { readResource, type TaskResource } from "./resources.ts";
import type { Runtime } from "./runtime.ts";
import type { Scope } from "./scope.ts";
import { asWorkflowError, Cancelled, WorkflowError } from "./workflow-error.ts";

/** Developer guide, "Task state": the longest TimeoutSeconds. */
const longestTimeoutSeconds = 99_999_999;

export async function runTask(runtime: Runtime, scope: Scope, state: TaskState): Promise<Json> {
  const resource = readResource(state.Resource);
  // `readDefinition` has refused such a machine; this is for the compiler and for a journal of another version.
  if (typeof resource === "string") throw new WorkflowError("States.Runtime", resource);
  const args = state.Arguments === undefined ? scope.input : await scope.evaluate(state.Arguments, "Arguments");
  const argsText = scope.payloadText(args);
  const timeoutSeconds = await numberField(scope, state.TimeoutSeconds, "TimeoutSeconds", {
    from: 1,
    to: longestTimeoutSeconds,
    whole: true,
  });
  const events = taskEvents(scope, resource);
  events.scheduled(argsText, timeoutSeconds);
  try {
    const result = await raceDeadline(scope, timeoutSeconds, (signal) => call(runtime, scope, resource, args, signal));
    scope.throwIfClosed();
    const resultText = scope.payloadText(result, state.Resource);
    events.succeeded(resultText);
    return result;
  } catch (error) {
    if (error instanceof Cancelled) throw error;
    scope.throwIfClosed();
    const failure = asWorkflowError(error);
    events.failed(failure);
    throw failure;
  }
}

async function call(
  runtime: Runtime,
  scope: Scope,
  resource: TaskResource,
  args: Json,
  signal: AbortSignal,
): Promise<Json> {
  const { role } = scope.execution.machine;
  switch (resource.kind) {
    case "lambda-function":
      return invokeFunction(runtime, role, resource.functionArn, args, signal);
    case "lambda-invoke": {
      const given = isJsonObject(args) ? args : {};
      const functionName = given.FunctionName;
      if (typeof functionName !== "string")
        throw unexpectedType("Arguments/FunctionName", "string", functionName ?? null);
      const { region, accountId } = runtime.context;
      const functionArn = functionName.startsWith("arn:")
        ? functionName
        : `arn:aws:lambda:${region}:${accountId}:function:${functionName}`;
      const payload = await invokeFunction(
        runtime,
        role,
        functionArn,
        given.Payload === undefined ? {} : given.Payload,
        signal,
      );
      return { ExecutedVersion: "$LATEST", Payload: payload, StatusCode: 200 };
    }
    case "sdk":
      if (!isJsonObject(args)) throw unexpectedType("Arguments", "object", args);
      return runtime.sdk.call(role, resource.service, resource.action, args, signal);
  }
}

interface TaskEvents {
  scheduled(argsText: string, timeoutSeconds: number | undefined): void;
  succeeded(resultText: string): void;
  failed(failure: WorkflowError): void;
}

/** A function ARN in Resource has event types of its own; everything else is a Task of a type. */
function taskEvents(scope: Scope, resource: TaskResource): TaskEvents {
  if (resource.kind === "lambda-function") {
    return {
      scheduled: (input, timeoutSeconds) => {
        scope.event("LambdaFunctionScheduled", {
          resource: resource.functionArn,
          input,
          inputDetails: { truncated: false },
          ...(timeoutSeconds === undefined ? {} : { timeoutInSeconds: timeoutSeconds }),
        });
        scope.event("LambdaFunctionStarted");
      },
      succeeded: (output) => scope.event("LambdaFunctionSucceeded", { output, outputDetails: { truncated: false } }),
      failed: (failure) =>
        scope.event(
          failure.errorName === "States.Timeout" ? "LambdaFunctionTimedOut" : "LambdaFunctionFailed",
          failure.details,
        ),
    };
  }
  const called: JsonObject =
    resource.kind === "lambda-invoke"
      ? { resourceType: "lambda", resource: "invoke" }
      : { resourceType: `aws-sdk:${resource.service}`, resource: resource.action };
  return {
    scheduled: (parameters, timeoutSeconds) => {
      scope.event("TaskScheduled", {
        ...called,
        region: scope.execution.runtime.context.region,
        parameters,
        ...(timeoutSeconds === undefined ? {} : { timeoutInSeconds: timeoutSeconds }),
      });
      scope.event("TaskStarted", called);
    },
    succeeded: (output) => scope.event("TaskSucceeded", { ...called, output, outputDetails: { truncated: false } }),
    failed: (failure) =>
      scope.event(failure.errorName === "States.Timeout" ? "TaskTimedOut" : "TaskFailed", {
        ...called,
        ...failure.details,
      }),
  };
}
