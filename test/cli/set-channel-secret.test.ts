// `causeway secrets set alerts/<channel>`: where it is put, and that nothing of it is ever shown.

import { GetSecretValueCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { setChannelSecret } from "../../cli/set-channel-secret.ts";
import {
  createSecretsManagerService,
  type SecretsManagerService,
} from "../../local/secrets-manager/secrets-manager.ts";
import { pointSdkAt } from "../lambdas/replication/point-sdk-at.ts";
import { captureOutput } from "../lambdas/shared/captured-output.ts";
import { type ServiceRig, startServiceRig } from "../local/service-rig.ts";

const url = "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=secret-key";

let rig: ServiceRig<{ secrets: SecretsManagerService }>;

beforeEach(async () => {
  rig = await startServiceRig((context) => ({ secrets: createSecretsManagerService(context) }));
  pointSdkAt(rig.url);
});

afterEach(async () => {
  await rig.close();
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

async function stored(): Promise<unknown> {
  const answer = await new SecretsManagerClient({}).send(
    new GetSecretValueCommand({ SecretId: "/local/alerts/wecom" }),
  );
  return JSON.parse(answer.SecretString ?? "");
}

describe("the address of a channel", () => {
  it("is put where the functions read it, made or replaced, and not shown", async () => {
    const output = captureOutput();
    for (const address of [url, `${url}-new`]) {
      vi.stubEnv("CAUSEWAY_CHANNEL_URL", address);
      await setChannelSecret("alerts/wecom", { stage: "local" });
      expect(await stored()).toEqual({ url: address });
    }
    expect(output.text()).toMatch(/was created[\s\S]*has a new value/);
    expect(output.text()).not.toContain("secret-key");
  });

  it("is refused when it is none, without being repeated", async () => {
    vi.stubEnv("CAUSEWAY_CHANNEL_URL", "secret-key");
    await expect(setChannelSecret("alerts/wecom", { stage: "local" })).rejects.toThrow(
      /^((?!secret-key).)*no address((?!secret-key).)*$/s,
    );
    await expect(stored()).rejects.toMatchObject({ name: "ResourceNotFoundException" });
  });

  it("is of a channel of the stage that needs one, and the others are named", async () => {
    vi.stubEnv("CAUSEWAY_CHANNEL_URL", url);
    for (const channel of ["log", "mail", "other"]) {
      await expect(setChannelSecret(`alerts/${channel}`, { stage: "local" })).rejects.toThrow("it has: alerts/wecom.");
    }
    await expect(setChannelSecret("alerts/wecom", { stage: "dev" })).rejects.toThrow("it has: none.");
  });
});
