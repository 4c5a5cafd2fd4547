// The OpenAPI document: checked in as the routes make it, valid by its own rules, and about every route of every room.
import { readFileSync } from "node:fs";
import { Validator } from "@seriousme/openapi-schema-validator";
import { describe, expect, it } from "vitest";
import { statusByName } from "../../lambdas/shared/http-errors.ts";
import { roles } from "../../lambdas/shared/routes.ts";
import { allRoutes } from "../../lib/routes.ts";
import { documentFile, renderDocument } from "../../scripts/generate-openapi.ts";

interface Operation {
  readonly operationId: string;
  readonly description: string;
  readonly security: readonly Readonly<Record<string, readonly string[]>>[];
  readonly parameters: readonly { readonly name: string; readonly in: string; readonly required: boolean }[];
  readonly responses: Readonly<Record<string, unknown>>;
}

interface OpenApi {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}

const text = readFileSync(documentFile, "utf8");
const document = JSON.parse(text) as OpenApi;
const operationOf = (path: string, method: string) => document.paths[path]?.[method.toLowerCase()];

describe("docs/openapi.json", () => {
  it("is what the routes make of it: after a change, run npm run openapi", () => {
    expect(text).toBe(renderDocument());
  });

  it("is a valid OpenAPI 3.1 document, all of whose references lead somewhere", async () => {
    const validator = new Validator();
    expect((await validator.validate(structuredClone(document) as never)).errors ?? []).toEqual([]);
    expect(validator.version).toBe("3.1");
    const references = [...text.matchAll(/"\$ref": "#\/([^"]+)"/g)].map(([, pointer = ""]) => pointer.split("/"));
    const lost = references.filter((steps) => !steps.reduce<unknown>((at, step) => (at as never)?.[step], document));
    expect(lost).toEqual([]);
  });

  it("would be found invalid if it were", async () => {
    const broken = structuredClone(document) as unknown as { paths: Record<string, unknown> };
    broken.paths["/api/broken"] = { get: { responses: 5 } };
    expect((await new Validator().validate(broken as never)).valid).toBe(false);
  });

  it("has each route once, with every parameter of its path", () => {
    const operations = Object.values(document.paths).flatMap((methods) => Object.values(methods));
    expect(operations.map(({ operationId }) => operationId).sort()).toEqual(
      allRoutes.map(({ operation }) => operation).sort(),
    );
    expect(new Set(operations.map(({ operationId }) => operationId)).size).toBe(operations.length);
    for (const { path, method } of allRoutes) {
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      const described = operationOf(path, method)?.parameters.filter((parameter) => parameter.in === "path") ?? [];
      expect(described.map(({ name }) => name)).toEqual(inPath);
    }
  });

  it.each(allRoutes.map((route) => [route.operation, route] as const))("says who may %s", (_operation, route) => {
    const operation = operationOf(route.path, route.method);
    const role = roles.find((name) => name === route.access);
    if (role === undefined) return;
    expect(operation?.security).toEqual([{ signIn: ["openid"] }, { machine: [`causeway/${role}`] }]);
    expect(operation?.description).toContain(`Needs the role ${role}.`);
    expect(Object.keys(operation?.responses ?? {})).toEqual(expect.arrayContaining(["401", "403"]));
  });
});

describe("the routes of all rooms", () => {
  it("have entries of their own room, a sentence each, and an audit for every change", () => {
    for (const route of allRoutes) {
      expect(route.summary).not.toBe("");
      if (route.method !== "GET") expect(route.audited, route.operation).toMatch(/^\w/);
      if (route.conditional) expect(route.method, route.operation).toBe("PUT");
      if (route.idempotent) expect(route.method, route.operation).toBe("POST");
      expect(route.method === "GET" || roles.some((role) => role === route.access), route.operation).toBe(true);
    }
  });

  it("have no path that another one hides", () => {
    const shapes = allRoutes.map(({ method, path }) => `${method} ${path.replace(/\{\w+\}/g, "{}")}`);
    expect(new Set(shapes).size).toBe(shapes.length);
  });

  it("have a status for every error name", () => {
    expect(Object.values(statusByName).every((status) => status >= 400 && status < 600)).toBe(true);
  });
});
