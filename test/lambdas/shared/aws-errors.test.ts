// Whatever was thrown gets a name that a workflow knows: passing trouble of AWS, a refusal, or something unexpected.
import { DynamoDBClient, GetItemCommand, TransactionCanceledException } from "@aws-sdk/client-dynamodb";
import { describe, expect, it } from "vitest";
import { isPassingAwsError, isPassingConnectionError, namedError } from "../../../lambdas/shared/aws-errors.ts";
import { CausewayError } from "../../../lambdas/shared/errors.ts";
import { rejection } from "../replication/outcomes.ts";
import { replayServer } from "../replication/replay-server.ts";

/** The error that the SDK makes of an answer of DynamoDB. */
async function sdkError(status: number, type: string, message = "said AWS"): Promise<Error> {
  await using server = await replayServer((request, response) => {
    request.resume();
    response.writeHead(status, { "content-type": "application/x-amz-json-1.0", "x-amzn-requestid": "request-1" });
    response.end(JSON.stringify({ __type: `com.amazonaws.dynamodb#${type}`, message }));
  });
  const credentials = { accessKeyId: "AKIA", secretAccessKey: "s" };
  const client = new DynamoDBClient({ endpoint: server.url, region: "eu-central-1", maxAttempts: 1, credentials });
  return await rejection(client.send(new GetItemCommand({ TableName: "t", Key: { id: { S: "1" } } })));
}

function connectionError(code: string): Error {
  return Object.assign(new Error(`connect ${code} 127.0.0.1:1`), { code });
}

describe("an error of AWS", () => {
  it.each([
    [400, "ProvisionedThroughputExceededException"],
    [400, "ThrottlingException"],
    [400, "RequestLimitExceeded"],
    [400, "TransactionConflictException"],
    [429, "TooManyRequestsException"],
    [500, "InternalServerError"],
    [503, "ServiceUnavailable"],
  ])("%i %s may pass", async (status, type) => {
    const error = await sdkError(status, type);
    expect(isPassingAwsError(error)).toBe(true);
    expect(namedError(error)).toMatchObject({
      name: "AwsUnavailable",
      retryable: true,
      message: expect.stringContaining(type),
      cause: error,
    });
  });

  it.each([
    [400, "AccessDeniedException"],
    [400, "ValidationException"],
    [400, "ResourceNotFoundException"],
    [400, "ConditionalCheckFailedException"],
  ])("%i %s will not, and its request can be looked up", async (status, type) => {
    const error = await sdkError(status, type);
    expect(isPassingAwsError(error)).toBe(false);
    expect(namedError(error)).toMatchObject({
      name: "AwsRefused",
      retryable: false,
      message: expect.stringContaining(`${type}: said AWS`),
      details: { awsError: type, requestId: "request-1" },
    });
  });

  it.each([
    [["None", "TransactionConflict"], "AwsUnavailable"],
    [["ThrottlingError", "None"], "AwsUnavailable"],
    [["TransactionConflict", "ConditionalCheckFailed"], "AwsRefused"],
    [["ValidationError"], "AwsRefused"],
    [[], "AwsRefused"],
  ])("a transaction cancelled for %j is %s", (codes, name) => {
    const error = new TransactionCanceledException({
      message: "cancelled",
      $metadata: { httpStatusCode: 400 },
      CancellationReasons: codes.map((Code) => ({ Code })),
    });
    expect(namedError(error).name).toBe(name);
  });

  it("keeps no signed link in its message", async () => {
    const link = "https://b.s3.amazonaws.com/k?X-Amz-Signature=c0ffee&X-Amz-Security-Token=geheim";
    const { message } = namedError(await sdkError(400, "ValidationException", `cannot read ${link}`));
    expect(message).toContain("cannot read https://b.s3.amazonaws.com/k");
    expect(message).not.toMatch(/c0ffee|geheim/);
  });
});

describe("an error of the connection", () => {
  it.each(["ECONNRESET", "ECONNREFUSED", "EPIPE", "ETIMEDOUT", "EAI_AGAIN", "ENOTFOUND"])("%s may pass", (code) => {
    expect(isPassingConnectionError(connectionError(code))).toBe(true);
    expect(namedError(connectionError(code))).toMatchObject({ name: "AwsUnavailable" });
  });

  it("of another kind is unexpected", () => {
    expect(isPassingConnectionError(connectionError("CERT_HAS_EXPIRED"))).toBe(false);
    expect(isPassingConnectionError("ECONNRESET")).toBe(false);
  });
});

describe("anything else", () => {
  it("that has a name of ours keeps it", () => {
    const error = new CausewayError("SourceChanged", "another ETag");
    expect(namedError(error)).toBe(error);
  });

  it.each([[new TypeError("x is not a function")], ["a text"], [undefined], [null], [{ odd: true }]])(
    "is an unexpected failure: %s",
    (thrown) => {
      expect(namedError(thrown)).toMatchObject({ name: "UnexpectedFailure", retryable: false });
    },
  );

  it("keeps what was thrown as its cause", () => {
    const defect = new TypeError("x is not a function");
    expect(namedError(defect)).toMatchObject({ message: "TypeError: x is not a function", cause: defect });
  });
});
