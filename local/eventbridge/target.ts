// Hands one payload to one target: permission first, then the service behind the ARN.
import type { QueuePort, WorkflowPort } from "../gateway/ports.ts";
import { type Authorize, type Principal, ServiceError } from "../gateway/service.ts";
import type { Delivery, Outcome } from "./delivery.ts";

/** Where deliveries go. A target whose service is absent is refused, and the refusal says so. */
export interface TargetPorts {
  readonly lambda?: EventInvocationPort;
  readonly workflows?: WorkflowPort;
  readonly queues?: QueuePort;
  readonly logGroups?: LogGroupPort;
}

export interface EventInvocationPort {
  /** Takes the event in for an asynchronous run; retries of a failing function are Lambda's own. Throws ServiceError. */
  accept(functionArn: string, payload: string): unknown;
}

export interface LogGroupPort {
  /** Throws ServiceError ResourceNotFoundException. */
  putEvent(logGroupArn: string, text: string): void;
}

/** What IAM is asked (see `Iam` in local/iam). */
export interface DeliveryPermissions {
  /** The principal as which the service acts. Throws ServiceError AccessDenied if the role does not trust it. */
  assumeRole(roleArn: string, service: string, sourceArn?: string): Principal;
  /** Whether the target's own policy (a function's permissions, a queue's policy) lets the service in. */
  serviceMay(call: {
    readonly service: string;
    readonly action: string;
    readonly resource: string;
    readonly sourceArn: string;
  }): boolean;
}

/** How EventBridge and Scheduler reach the rest of the cloud. */
export interface DeliveryOptions {
  /** Asked at each delivery, so that services may be put together in any order. */
  readonly ports: () => TargetPorts;
  readonly permissions: DeliveryPermissions;
  /** What an operator should read: an event that was given up, a bus that does not exist. */
  readonly onProblem?: (sentence: string) => void;
}

type TargetKind = "lambda" | "workflow" | "queue" | "log-group" | "bus";

const targetKinds: readonly { kind: TargetKind; action: string; arn: RegExp }[] = [
  { kind: "lambda", action: "lambda:InvokeFunction", arn: /^arn:aws:lambda:[^:]+:\d+:function:.+$/ },
  { kind: "workflow", action: "states:StartExecution", arn: /^arn:aws:states:[^:]+:\d+:stateMachine:.+$/ },
  { kind: "queue", action: "sqs:SendMessage", arn: /^arn:aws:sqs:[^:]+:\d+:[^:]+$/ },
  { kind: "log-group", action: "logs:PutLogEvents", arn: /^arn:aws:logs:[^:]+:\d+:log-group:.+$/ },
  { kind: "bus", action: "events:PutEvents", arn: /^arn:aws:events:[^:]+:\d+:event-bus\/.+$/ },
];

/** Undefined for a target that the local cloud does not deliver to. */
export function targetKindOf(targetArn: string): TargetKind | undefined {
  return targetKinds.find(({ arn }) => arn.test(targetArn))?.kind;
}

export interface HandOver {
  readonly options: DeliveryOptions;
  readonly authorize: Authorize;
  readonly forwardToBus: (busArn: string, payload: string) => void;
}

/** Never throws: whatever goes wrong is an outcome. */
export function handOver(delivery: Delivery, payload: string, by: HandOver): Outcome {
  try {
    authorizeDelivery(delivery, by);
    return give(delivery.targetArn, payload, by);
  } catch (error) {
    if (!(error instanceof ServiceError)) {
      return { kind: "refused", retryable: false, code: "InternalFailure", message: String(error) };
    }
    const retryable = error.status >= 500 || /Throttl|TooManyRequests/.test(error.code);
    return { kind: "refused", retryable, code: error.code, message: error.message };
  }
}

function authorizeDelivery(delivery: Delivery, by: HandOver): void {
  const action = targetKinds.find(({ arn }) => arn.test(delivery.targetArn))?.action ?? "unknown";
  authorizeUse(action, delivery.targetArn, delivery, by);
}

/** Throws ServiceError NO_PERMISSIONS, AWS's code for it in dead letters, or the role's AccessDenied. */
export function authorizeUse(
  action: string,
  resource: string,
  who: Pick<Delivery, "roleArn" | "servicePrincipal" | "sourceArn">,
  by: Pick<HandOver, "options" | "authorize">,
): void {
  const { servicePrincipal: service, sourceArn } = who;
  const { permissions } = by.options;
  if (who.roleArn !== undefined) {
    by.authorize(permissions.assumeRole(who.roleArn, service, sourceArn), action, resource);
  } else if (!permissions.serviceMay({ service, action, resource, sourceArn })) {
    const sentence = `${resource} does not let ${service} do ${action} for ${sourceArn}.`;
    throw new ServiceError(403, "NO_PERMISSIONS", sentence);
  }
}

function give(targetArn: string, payload: string, by: HandOver): Outcome {
  const ports = by.options.ports();
  switch (targetKindOf(targetArn)) {
    case "lambda":
      present(ports.lambda, "Lambda").accept(targetArn, payload);
      return { kind: "delivered" };
    case "workflow":
      present(ports.workflows, "Step Functions").startExecution({ stateMachineArn: targetArn, input: payload });
      return { kind: "delivered" };
    case "queue":
      present(ports.queues, "SQS").sendMessage(targetArn, payload);
      return { kind: "delivered" };
    case "log-group":
      present(ports.logGroups, "CloudWatch Logs").putEvent(targetArn, payload);
      return { kind: "delivered" };
    case "bus":
      by.forwardToBus(targetArn, payload);
      return { kind: "delivered" };
    default:
      throw new ServiceError(400, "NO_RESOURCE", `The local cloud does not deliver to ${targetArn}.`);
  }
}

function present<Port>(port: Port | undefined, name: string): Port {
  if (port === undefined) throw new ServiceError(400, "NO_RESOURCE", `The local cloud runs without ${name}.`);
  return port;
}
