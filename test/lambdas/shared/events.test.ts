// Events on the bus: the shape that others rely on, ten in a call, and a refused entry is not lost in silence.
import { EventBridgeClient } from "@aws-sdk/client-eventbridge";
import { afterEach, describe, expect, it, vi } from "vitest";
import { eventSender } from "../../../lambdas/shared/events.ts";
import { pointSdkAt } from "../replication/point-sdk-at.ts";
import { replayServer } from "../replication/replay-server.ts";

interface Entry {
  readonly EventBusName: string;
  readonly Source: string;
  readonly DetailType: string;
  readonly Detail: string;
}

afterEach(() => {
  vi.unstubAllEnvs();
});

/** An EventBridge that keeps the entries, and refuses those whose detail contains "refuse me". */
async function withBus(
  look: (sender: ReturnType<typeof eventSender>, calls: Entry[][]) => Promise<void>,
): Promise<void> {
  const calls: Entry[][] = [];
  await using server = await replayServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const { Entries } = JSON.parse(String(Buffer.concat(chunks))) as { Entries: Entry[] };
    calls.push(Entries);
    const results = Entries.map(({ Detail }) =>
      Detail.includes("refuse me") ? { ErrorCode: "ThrottlingException", ErrorMessage: "slow down" } : { EventId: "1" },
    );
    const FailedEntryCount = results.filter((result) => "ErrorCode" in result).length;
    response.writeHead(200, { "content-type": "application/x-amz-json-1.1" });
    response.end(JSON.stringify({ FailedEntryCount, Entries: results }));
  });
  pointSdkAt(server.url);
  await look(eventSender(new EventBridgeClient({ maxAttempts: 1 }), "causeway", "causeway.replication"), calls);
}

const failed = (backupId: string, cause = "another ETag") => ({
  runId: "run-1",
  copyId: `aliyun-rds:rm-1:${backupId}`,
  instanceId: "rm-1",
  backupId,
  error: "SourceChanged",
  cause,
});

describe("events", () => {
  it("go to the named bus with their name, source and detail", async () => {
    await withBus(async (sender, calls) => {
      await sender.send("BackupCopyFailed", [failed("77")]);
      expect(calls).toEqual([
        [
          {
            EventBusName: "causeway",
            Source: "causeway.replication",
            DetailType: "BackupCopyFailed",
            Detail: JSON.stringify(failed("77")),
          },
        ],
      ]);
    });
  });

  it("are sent ten at a time, all of them, in order; none is no call", async () => {
    await withBus(async (sender, calls) => {
      await sender.send("BackupCopyFailed", []);
      expect(calls).toEqual([]);
      await sender.send(
        "BackupCopyFailed",
        Array.from({ length: 23 }, (_, index) => failed(String(index))),
      );
      expect(calls.map((entries) => entries.length)).toEqual([10, 10, 3]);
      const ids = calls.flat().map(({ Detail }) => (JSON.parse(Detail) as { backupId: string }).backupId);
      expect(ids).toEqual(Array.from({ length: 23 }, (_, index) => String(index)));
    });
  });

  it("fail when the bus refuses one of them, for its answer is a success all the same", async () => {
    await withBus(async (sender) => {
      const details = [failed("1"), failed("2", "refuse me")];
      await expect(sender.send("BackupCopyFailed", details)).rejects.toMatchObject({
        name: "AwsUnavailable",
        message: expect.stringContaining("ThrottlingException"),
      });
    });
  });

  it("of another shape are not sent", async () => {
    await withBus(async (sender, calls) => {
      const { cause: _, ...withoutCause } = failed("1");
      await expect(sender.send("BackupCopyFailed", [withoutCause as ReturnType<typeof failed>])).rejects.toThrow(
        /cause/,
      );
      expect(calls).toEqual([]);
    });
  });
});
