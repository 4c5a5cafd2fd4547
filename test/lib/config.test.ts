// Settings of a stage: what is filled in, and that every mistake is named with its file, field, value and cure.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseByteCount } from "../../lib/byte-count.ts";
import { listStages, parseStageSettings, readStageSettings, SettingsError } from "../../lib/config.ts";

const smallest = {
  aliyun: { region: "cn-hangzhou", endpoint: "rds.aliyuncs.com" },
  replication: {
    schedule: { expression: "rate(6 hours)", timeZone: "UTC" },
    concurrency: {},
    monthlyEgressLimitBytes: 1000,
  },
};

/** The smallest settings with one field, named by its path, set to another value; `undefined` removes it. */
function withField(path: string, value: unknown): string {
  const copy = structuredClone(smallest) as Record<string, unknown>;
  const names = path.split(".");
  let at = copy;
  for (const name of names.slice(0, -1)) {
    at[name] ??= {};
    at = at[name] as Record<string, unknown>;
  }
  at[names.at(-1) ?? ""] = value;
  return JSON.stringify(copy);
}

function complaintAbout(json: string): string {
  try {
    parseStageSettings("test", json);
  } catch (error) {
    if (error instanceof SettingsError) return error.message;
    throw error;
  }
  return "";
}

describe("a stage's settings", () => {
  it("are right in every stage of the repository", () => {
    expect(listStages()).toEqual(["dev", "local", "prod"]);
    for (const stage of listStages()) expect(readStageSettings(stage).stage).toBe(stage);
  });

  it("are filled in where the file says nothing", () => {
    const { aliyun, replication, retention, protectData } = parseStageSettings("test", JSON.stringify(smallest));
    expect(aliyun).toMatchObject({ protocol: "https", instanceIds: [], includeDeletedInstances: true });
    expect(replication.concurrency).toEqual({ backups: 4, batchesPerBackup: 8, partsPerBatch: 32 });
    expect(replication).toMatchObject({ keyPrefix: "", windowHours: 168, schedule: { enabled: true } });
    expect(replication.maximumAgeHours).toBeUndefined();
    expect(retention).toEqual({ noncurrentBackupDays: 90, logDays: 90 });
    expect(protectData).toBe(true);
  });

  it("may hold notes for people in any group", () => {
    const noted = { ...smallest, "//": "ours", aliyun: { ...smallest.aliyun, "//": "theirs" } };
    expect(parseStageSettings("test", JSON.stringify(noted)).aliyun.region).toBe("cn-hangzhou");
  });

  it("take the egress limit as a person writes it", () => {
    const json = withField("replication.monthlyEgressLimitBytes", "500 GB");
    expect(parseStageSettings("test", json).replication.monthlyEgressLimitBytes).toBe(500e9);
  });

  const mistakes: readonly (readonly [path: string, value: unknown, cure: RegExp])[] = [
    ["account", "12345", /12 digits/],
    ["region", "Frankfurt", /"eu-central-1"/],
    ["aliyun.region", "Hangzhou!", /"cn-hangzhou"/],
    ["aliyun.endpoint", "https://rds.aliyuncs.com", /without "https:\/\/"/],
    ["aliyun.protocol", "ftp", /"https"/],
    ["replication.keyPrefix", "backups", /"\/" at its end/],
    ["replication.schedule.expression", "cron(30 3 * * *)", /six fields/],
    ["replication.schedule.expression", "every day", /rate\(6 hours\)/],
    ["replication.schedule.timeZone", "Asia/Peking", /IANA time zone/],
    ["replication.schedule.timeZone", "+08:00", /IANA time zone/],
    ["replication.schedule.enabled", "yes", /true or false/],
    ["replication.concurrency.backups", 0, /from 1 to 100/],
    ["replication.concurrency.partsPerBatch", 2.5, /whole number of parts/],
    ["replication.windowHours", "72", /whole number of hours/],
    ["replication.maximumAgeHours", -1, /whole number of hours/],
    ["replication.monthlyEgressLimitBytes", "half a lot", /"500 GB"/],
    ["retention.logDays", 8, /CloudWatch Logs knows/],
    ["alarms.email", "operations", /"operations@example.com"/],
  ];
  it.each(mistakes)("name %s when it is %j", (path, value, cure) => {
    const complaint = complaintAbout(withField(path, value));
    expect(complaint).toContain(`stages/test.json: ${path} is ${JSON.stringify(value)}. `);
    expect(complaint).toMatch(cure);
    expect(complaint.split("\n")).toHaveLength(1);
  });

  it("name the place inside a list", () => {
    expect(complaintAbout(withField("aliyun.instanceIds", ["rm-1", "RM 2"]))).toContain(
      'aliyun.instanceIds.1 is "RM 2". Give an instance id',
    );
  });

  it("name a field that is missing, and a group that is", () => {
    expect(complaintAbout(withField("aliyun.endpoint", undefined))).toContain(
      "aliyun.endpoint is missing. Give the host",
    );
    expect(complaintAbout(withField("aliyun", undefined))).toContain("aliyun is missing.");
    expect(complaintAbout(withField("replication.monthlyEgressLimitBytes", undefined))).toContain(
      "replication.monthlyEgressLimitBytes is missing.",
    );
  });

  it("refuse what is no setting, at any depth", () => {
    expect(complaintAbout(withField("replication.schedul", {}))).toContain("replication.schedul is not a setting");
    expect(complaintAbout(withField("bucket", "mine"))).toContain("stages/test.json: bucket is not a setting");
  });

  it("say everything that is wrong at once", () => {
    const json = JSON.stringify({ ...smallest, region: "x", account: "y" });
    expect(complaintAbout(json).split("\n")).toHaveLength(2);
  });

  it("say that a file is no JSON", () => {
    expect(complaintAbout("{ region: ")).toMatch(/^stages\/test\.json is not JSON: /);
    expect(complaintAbout("[]")).toContain("stages/test.json: the file is []");
  });
});

describe("choosing a stage", () => {
  it("names the stages there are when the asked one is missing", () => {
    expect(() => readStageSettings("staging")).toThrow(/no stage "staging".*There are dev, local, prod/s);
  });

  it("refuses names that cannot be part of a resource's name", () => {
    for (const stage of ["../dev", "Prod", "", "a".repeat(21)]) {
      expect(() => readStageSettings(stage)).toThrow(/cannot be a stage/);
    }
  });

  it("reads the file from disk", () => {
    const folder = mkdtempSync(join(tmpdir(), "causeway-stages-"));
    try {
      writeFileSync(join(folder, "mine.json"), JSON.stringify(smallest));
      expect(readStageSettings("mine", folder)).toMatchObject({ stage: "mine", aliyun: { region: "cn-hangzhou" } });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe("a byte count", () => {
  it("is read with decimal and binary units", () => {
    expect(["1500", "500 GB", "2TiB", "0.5 kb", " 3 mib "].map(parseByteCount)).toEqual([
      1500,
      500e9,
      2 * 2 ** 40,
      500,
      3 * 2 ** 20,
    ]);
  });

  it("is nothing when it is no whole number of bytes above 0", () => {
    expect(
      ["0", "-1", "1.5", "0.0001 kb", "12 parsecs", "", "9 PB PB", "9007199254740993"].map(parseByteCount),
    ).toEqual(Array.from({ length: 8 }, () => undefined));
  });

  it("reads every whole number back", () => {
    fc.assert(fc.property(fc.integer({ min: 1 }), (bytes) => parseByteCount(String(bytes)) === bytes));
  });
});
