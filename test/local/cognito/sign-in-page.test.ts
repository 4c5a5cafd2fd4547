// The sign-in page in a real browser, by keyboard alone: from a client's request to the address where the code arrives.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { type BrowserContext, chromium } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { bootCloud, type LocalCloud } from "../../../local/cloud.ts";
import { writeAssembly } from "../api-gateway/small-assembly.ts";
import { poolApp } from "./pool-app.ts";

const temporary = mkdtempSync(path.join(tmpdir(), "sign-in-page-"));
let cloud: LocalCloud;
let browser: BrowserContext;

beforeAll(async () => {
  cloud = await bootCloud({
    assemblyDirectory: writeAssembly(mkdtempSync(path.join(temporary, "cdk-")), poolApp),
    stateDirectory: path.join(temporary, "state"),
  });
  browser = await chromium.launchPersistentContext(path.join(temporary, "profile"), {
    executablePath: "/usr/bin/chromium",
    headless: true,
    args: [
      ...["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"],
      ...["--disable-component-update", "--disable-sync"],
    ],
  });
});
afterAll(async () => {
  await browser.close();
  await cloud.close();
  rmSync(temporary, { recursive: true });
});

function authorizeUrl(): string {
  const url = new URL("/oauth2/authorize", cloud.signIn.url);
  const parameters = {
    ...{ client_id: cloud.output("PeopleId"), response_type: "code", scope: "openid", state: "x" },
    redirect_uri: `${cloud.api.url}/`,
  };
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  return url.href;
}

test("lists the local users, and signs in by Tab and Enter, asking for nothing from elsewhere", async () => {
  const page = await browser.newPage();
  const [addresses, complaints]: [string[], string[]] = [[], []];
  page.on("request", (request) => addresses.push(request.url()));
  page.on("console", (message) => complaints.push(message.text()));
  await page.goto(authorizeUrl());
  expect(await page.getByRole("heading", { level: 1 }).textContent()).toBe("Sign in");
  expect(await page.getByText("The console").count()).toBe(1);
  const buttons = page.getByRole("button");
  expect(await buttons.locator("strong").allTextContents()).toEqual(["admin", "operator", "ann@example.com"]);
  for (let times = 0; times < 2; times += 1) await page.keyboard.press("Tab");
  expect(await page.evaluate("document.activeElement.value")).toBe("operator");
  await page.keyboard.press("Enter");
  await page.waitForURL((url) => url.origin === new URL(cloud.api.url).origin);
  const arrived = new URL(page.url());
  expect([arrived.pathname, arrived.searchParams.get("state")]).toEqual(["/live/", "x"]);
  expect(arrived.searchParams.get("code")).toMatch(/^[\w-]{43}$/);
  expect(await page.textContent("body")).toContain('{"arrived":true}');
  const hosts = new Set(
    addresses.filter((address) => address.startsWith("http")).map((address) => new URL(address).origin),
  );
  expect([...hosts].sort()).toEqual([new URL(cloud.api.url).origin, cloud.signIn.url].sort());
  // The API's own address has no icon: the only complaint a browser may have.
  expect(complaints.filter((text) => !text.includes("403"))).toEqual([]);
  await page.close();
});

test("is not shown to who followed a one-time link before", async () => {
  await browser.clearCookies();
  const page = await browser.newPage();
  await page.goto(cloud.signIn.oneTimeLink());
  expect(await page.getByRole("status").textContent()).toBe("You are signed in as admin for an hour.");
  await page.goto(authorizeUrl());
  expect(new URL(page.url()).searchParams.get("code")).toMatch(/^[\w-]{43}$/);
  await page.close();
});
