// The documents in a real browser: Swagger UI loads under its policy, signs in with code and PKCE, and a call works.
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ConsoleRig } from "./console-rig.ts";

let rig: ConsoleRig;
let browser: Browser;

beforeAll(async () => {
  [rig, browser] = await Promise.all([
    ConsoleRig.start(),
    chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] }),
  ]);
});

afterAll(async () => {
  await browser?.close();
  await rig?.close();
});

/** Opens the documents; what the browser complains of is collected. */
async function openDocs(address: string): Promise<{ page: Page; complaints: string[] }> {
  const page = await browser.newPage();
  const complaints: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(error.message));
  await page.goto(address);
  await page.waitForSelector(".opblock");
  return { page, complaints };
}

describe("the documents in a browser", () => {
  it.each(["", "/"])("load completely at /docs%s, and break no rule of their own", async (ending) => {
    const { page, complaints } = await openDocs(`${rig.url}/docs${ending}`);
    expect(await page.locator(".opblock").count()).toBeGreaterThan(10);
    expect(complaints).toEqual([]);
    await page.close();
  });

  it("sign in a person by code and PKCE, and call the API as that person", { timeout: 120_000 }, async () => {
    const { page } = await openDocs(`${rig.url}/docs`);
    await page.click("button.authorize");
    const dialog = page.locator(".auth-container", { hasText: "signIn" });
    const popup = page.waitForEvent("popup");
    await dialog.locator("button.authorize").click();
    await (await popup).click('button[value="viewer"]');
    await dialog.getByText("Logout").waitFor();
    await page.click(".modal-ux .btn-done");

    const operation = page.locator("#operations-jobs-listJobs");
    await operation.locator(".opblock-summary-control").click();
    const answered = page.waitForResponse((response) => response.url().includes("/api/jobs"));
    await operation.locator("button.execute").click();
    const response = await answered;
    expect(response.status()).toBe(200);
    expect(response.request().headers().authorization).toMatch(/^Bearer /);
    expect(await response.json()).toMatchObject({ code: 0, data: { items: [] } });
    await page.close();
  });

  it("name this deployment's own addresses", async () => {
    const document = JSON.parse((await rig.call("/openapi.json")).text);
    expect(document.servers).toEqual([{ url: "/local" }]);
    expect(document.components.securitySchemes.signIn.flows.authorizationCode.authorizationUrl).toBe(
      `${rig.cloud.signIn.url}/oauth2/authorize`,
    );
  });

  it("keep their files for a while, and serve no other file", async () => {
    const script = await rig.call("/docs/swagger-ui-bundle.js");
    expect([script.status, script.headers.get("content-type")]).toEqual([200, "text/javascript; charset=utf-8"]);
    expect(script.headers.get("cache-control")).toContain("max-age");
    const tag = script.headers.get("etag") ?? "";
    expect((await rig.call("/docs/swagger-ui-bundle.js", { headers: { "If-None-Match": tag } })).status).toBe(304);
    for (const path of ["index.mjs", "openapi.json", "..%2Findex.mjs", "constructor", "__proto__"]) {
      expect([path, (await rig.call(`/docs/${path}`)).status]).toEqual([path, 404]);
    }
  });
});
